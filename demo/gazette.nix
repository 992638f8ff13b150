# One number of a small newspaper, for a farm that is left up to be looked at (life.ts): seven builds, other ones for each number, that
# take some time, wait for each other and for agents, and do not always go well.
#
#   leader ──┐
#   letters ─┼─ pages ── proof ─┬─ gazette
#   weather ─┘                  │
#   crossword ──────────────────┘
#
# Of a number without ink, the proof fails, and the gazette is blocked by that, until there is ink for it in /press. One with a far
# edition has that for a system that no agent is of.
{
  number,
  ink ? true,
  far ? false,
}:
let
  build = import ./build.nix { };
  elsewhere = import ./build.nix { system = "riscv64-linux"; };

  slowly = seconds: what: ''
    for line in $(seq ${toString seconds}); do
      printf '\033[36m%s\033[0m ${what} ${number}, line %s of ${toString seconds}\n' "$(date +%T)" "$line"
      sleep 1
    done
  '';

  leader = build "leader-${number}" { } "${slowly 14 "leader"} echo leader ${number} > $out";
  letters = build "letters-${number}" { } "${slowly 9 "letters"} echo letters ${number} > $out";
  weather = build "weather-${number}" {
    requiredSystemFeatures = [ "benchmark" ];
  } "${slowly 18 "weather"} echo fair > $out";
  crossword = build "crossword-${number}" { } "${slowly 6 "crossword"} echo 1 across > $out";

  pages = build "pages-${number}" {
    requiredSystemFeatures = [ "big-parallel" ];
    inherit leader letters weather;
  } "${slowly 5 "pages"} cat $leader $letters $weather > $out";

  proof = build "proof-${number}" { inherit pages; } ''
    ${
      if ink then
        ""
      else
        ''
          if [ ! -e /press/ink-${number} ]; then
            printf '\033[1;31mthere is no ink for number ${number}\033[0m\n'
            exit 1
          fi
        ''
    }
    cp $pages $out
  '';
in
build "gazette-${number}" {
  inherit proof crossword;
  edition =
    if far then elsewhere "far-edition-${number}" { inherit proof; } "cp $proof $out" else "near";
} "cat $proof $crossword > $out"
