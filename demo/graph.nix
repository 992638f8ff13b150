# A small lexicon, made by 30 real derivations: enough of each kind to see a farm at work.
#
#   tools/ ── toolkit (3 outputs) ─┬─ section-a … section-h ─┬─ lexicon ── binding ─┐    diamonds
#   words.txt ─────────────────────┘   └── count-a … count-h ┴─ index ──────────────┤
#   licence (fixed output) ── edition-1 ── … ── edition-6 ── review ────────────────┼─ release    a chain
#   press (its first attempt fails) ────────────────────────────────────────────────┘
#
# There is no nixpkgs here, as the demo has to work without a network. Builders are the machine's /bin/sh and /usr/bin, which
# the agents' sandboxes show (see farm.ts), and nothing else of the machine but /press.
let
  build = import ./build.nix { };

  # One agent has this feature, the other one that: neither could build everything.
  big = {
    requiredSystemFeatures = [ "big-parallel" ];
  };
  measured = {
    requiredSystemFeatures = [ "benchmark" ];
  };

  # A file and a folder of this machine: they go to the coordinator as sources.
  words = ./words.txt;
  tools = ./tools;

  terms = "Read it, build it, pass it on.\n";
  licence = build "licence" {
    outputHash = builtins.hashString "sha256" terms;
    outputHashAlgo = "sha256";
    outputHashMode = "flat";
    inherit terms;
  } ''printf %s "$terms" > $out'';

  toolkit =
    build "toolkit"
      {
        outputs = [
          "out"
          "dev"
          "doc"
        ];
      }
      ''
        echo "installing the toolkit"
        mkdir -p $out/bin $dev/lib $doc
        cp ${tools}/section.sh $out/bin/section
        ln -s $out/bin/section $dev/lib/section
        sed -n 's/^# //p' ${tools}/section.sh > $doc/manual.txt
      '';

  letters = [
    "a"
    "b"
    "c"
    "d"
    "e"
    "f"
    "g"
    "h"
  ];

  section =
    letter:
    build "section-${letter}" { } ''
      echo "words with ${letter}"
      mkdir $out
      ${toolkit.dev}/lib/section ${letter} < ${words} > $out/words
    '';
  sections = map section letters;

  count =
    letter:
    build "count-${letter}" { } ''
      words=$(wc -l < ${section letter}/words)
      echo "${letter}: $words" | tee $out
    '';

  lexicon = build "lexicon" (big // { inherit sections; }) ''
    mkdir $out
    for section in $sections; do
      echo "adding $section"
      cat $section/words >> $out/lexicon
      echo $section >> $out/made-of
    done
  '';

  index = build "index" { counts = map count letters; } ''cat $counts > $out'';

  binding = build "binding" (big // { inherit lexicon index; }) ''
    mkdir $out
    ln -s $lexicon/lexicon $out/lexicon
    ln -s $index $out/index
    sha256sum $lexicon/lexicon | tee $out/checksum
  '';

  # A chain: each edition is made from the one before.
  edition =
    number:
    build "edition-${toString number}"
      { previous = if number == 1 then licence else edition (number - 1); }
      ''
        cat $previous > $out
        echo "edition ${toString number}" | tee -a $out
      '';

  review = build "review" (measured // { last = edition 6; }) ''
    echo "checking every edition"
    for number in 1 2 3 4 5 6; do grep -x "edition $number" $last; done > $out
  '';

  # /press is a folder that outlives the build: the first attempt finds it cold, warms it and fails, the second succeeds.
  press = build "press" { } ''
    if [ ! -e /press/warm ]; then
      echo warm > /press/warm
      echo "the press is cold; it is warming up, try again"
      exit 1
    fi
    echo "the press runs" | tee $out
  '';
in
{
  # Built later, of the index as it is then.
  reprint = build "reprint" (big // { inherit index; }) ''cat $index > $out'';

  release =
    build "release"
      (
        measured
        // {
          inherit
            licence
            binding
            review
            press
            ;
          manual = toolkit.doc;
        }
      )
      ''
        mkdir $out
        cp $licence $out/licence
        cp $manual/manual.txt $out/manual
        ln -s $binding $out/book
        cat $review $press > $out/colophon
        echo "released"
      '';
}
