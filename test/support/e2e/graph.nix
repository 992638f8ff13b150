# Small graphs for end-to-end tests. Builders are a shell; /gate is a folder of the test (see gates.ts).
rec {
  build = name: script: more: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  } // more);

  # Says that it is here, and goes on when the test opens the gate.
  gated = name: script: build name ''
    exec 9> /gate/${name}.here
    echo "${name} waits"
    echo here >&9
    read go < /gate/${name}.go
    echo "${name} goes on"
    ${script}
  '';

  # A diamond: a source, a fixed output, two sides for two kinds of agents, one of them with two outputs.
  fixed = build "fixed" "printf fixed > $out" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "fixed";
  };
  base = build "base" ''
    read line < $source
    read word < $fixed || true
    echo "base: $line $word" > $out
  '' { source = ./graph-source.txt; inherit fixed; };
  left = build "left" ''
    read line < $base
    echo "left of $base" > $out
    echo "header: $line" > $dev
  '' { inherit base; outputs = [ "out" "dev" ]; requiredSystemFeatures = [ "left" ]; };
  right = build "right" ''
    read line < $base
    echo "right: $line" > $out
  '' { inherit base; requiredSystemFeatures = [ "right" ]; };
  top = build "top" ''
    read right < $right
    read header < $left
    echo "top of $right and $header" > $out
  '' { inherit right; left = left.dev; };

  # A bootstrap: the same source in two ways, the second by something that was built from the first.
  source = more: build "source" "printf source > $out" ({
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "source";
  } // more);
  firstSource = source { way = "by what was there before"; };
  compiler = build "compiler" ''
    read line < $source || true
    echo "compiled from $line" > $out
  '' { source = firstSource; };
  secondSource = source { inherit compiler; };
  product = build "product" ''
    read line < $source || true
    echo "product of $line" > $out
  '' { source = secondSource; };

  # What it prints would be markup, a colour, and another line than the one it says.
  hostile = gated "hostile" ''
    printf '<img src=x onerror="document.title=1"><script>document.title=2</script>\n'
    printf '\033[31mred\033[0m \033[2J\033]8;;javascript:alert(1)\007link\033]8;;\007\n'
    printf '%400s far to the right\n' broad
    printf 'seen by nobody\rthe last of it\n'
    echo hostile > $out
  '' { };

  # As odd as the name of an item may be.
  odd = build "odd?a=1+b..c" "echo odd > $out" { };

  # Builds that a test holds up.
  slow = gated "slow" "echo slow > $out" { };
  afterGated = name: gate: build name ''
    read word < $gate
    echo "after $word" > $out
  '' { inherit gate; };
  after = afterGated "after" slow;
  afterFour = afterGated "after-four" four;
  afterFive = afterGated "after-five" five;
  one = gated "one" "echo one > $out" { };
  two = gated "two" "echo two > $out" { };
  three = gated "three" "echo three > $out" { };
  four = gated "four" "echo four > $out" { };
  five = gated "five" "echo five > $out" { };
  six = gated "six" "echo six > $out" { };
  seven = gated "seven" "echo seven > $out" { };
  eight = gated "eight" "echo eight > $out" { };

  # An output of some megabytes that do not compress.
  big = build "big" "/bin/cat /gate/blob > $out" { };
  bigger = build "bigger" "/bin/cat /gate/blob > $out" { };
  biggest = build "biggest" "/bin/cat /gate/blob > $out" { };
  afterBig = build "after-big" "/bin/cat $big > /dev/null; echo done > $out" { inherit big; };

  # Needs a source only.
  wanted = build "wanted" ''
    read line < $source
    echo "wanted $line" > $out
  '' { source = ./graph-source.txt; };

  # What needs `small` is built by another agent than `small` itself, so it has to be fetched.
  small = build "small" "echo small > $out" { };
  referring = build "referring" "echo $small > $out" { inherit small; };
  # Needs what its input refers to.
  through = name: build name ''
    read path < $referring
    read word < $path
    [ "$word" = small ] || exit 4
    echo "through $word" > $out
  '' { inherit referring; };
  throughReferring = through "through-referring";
  throughReferringAgain = through "through-referring-again";
  middle = gated "middle" "echo middle > $out" { };
  needsSmallElsewhere = build "needs-small-elsewhere" ''
    read word < $small
    echo "has $word" > $out
  '' { inherit small; requiredSystemFeatures = [ "other" ]; };
  needsSmallAnd = name: middle: build name ''
    read word < $small
    read middle < $middle
    echo "$word $middle" > $out
  '' { inherit small middle; requiredSystemFeatures = [ "other" ]; };
  needsSmall = needsSmallAnd "needs-small" middle;
  needsSmallAndOne = needsSmallAnd "needs-small-and-one" one;

  # The same file as a fixed output of each kind. Nix cannot hash a NAR in an expression: those are what `nix-hash` says.
  fixedOutputs =
    let
      kind = outputHashAlgo: outputHashMode: outputHash:
        build "fixed-${outputHashMode}-${outputHashAlgo}" "printf fixed > $out" {
          inherit outputHashAlgo outputHashMode outputHash;
        };
      flat = algo: kind algo "flat" (builtins.hashString algo "fixed");
    in
    map flat [ "md5" "sha1" "sha256" "sha512" ] ++ [
      (kind "md5" "recursive" "08b1f0218e5b5ffdbfbf7e5f5067bd7d")
      (kind "sha1" "recursive" "e58d2e64bb81293f0777fac3578f62d710bf02c0")
      (kind "sha256" "recursive" "d785d6810b51336f5e0e09f9c99f50015e3574c5085993c742608a1fa97066ff")
      (kind "sha512" "recursive" "4296d75304fb3a73e48fdad5ea56714619646ec8435d759d8d279f5c04d17f6afea3503dd95e25c20c3b7328478d73bd07e8bb5010cd2161bb3891128f3f3e51")
    ];
  allFixedOutputs = build "all-fixed-outputs" ''
    for each in $fixedOutputs; do read word < $each || true; echo "$word"; done > $out
  '' { inherit fixedOutputs; };

  # A fixed output that has its hash and refers to something all the same.
  fixedReferring = build "fixed-referring" "echo $small > $out" {
    inherit small;
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "${small}\n";
  };

  # Something that fails for good below something that waits for it, and something beside it that does not.
  failing = build "failing" "exit 3" { };
  aboveFailing = build "above-failing" "read word < $failing" { inherit failing; };
  beside = build "beside" "echo beside > $out" { };
  topOfFailing = build "top-of-failing" "echo > $out" { inherit aboveFailing beside; };

  # What Nix or a disk would not take, and a builder that only says so.
  pipe = build "pipe" "/bin/mkfifo $out" { };
  tooDeep = build "too-deep" ''
    name=123456789012345
    for i in 1 2 3; do name=$name$name; done
    /bin/mkdir $out; cd $out
    for i in 1 2 3 4 5 6 7 8 9 0; do /bin/mkdir -p $name/$name/$name/$name; cd -P $name/$name/$name/$name; done
  '' { };
  oddName = build "odd-name" "/bin/mkdir $out; echo > $out/a~nix~case~hack~1" { };
  sayingDiskFull = build "saying-disk-full" "echo 'error: writing to file: No space left on device'; exit 3" { };
  wrongHash = build "wrong-hash" "echo real-content > $out" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000000000000000";
  };

  # More outputs than any package has.
  manyOutputs = build "many-outputs" ''
    for name in $outputs; do eval "echo $name > \$$name"; done
  '' { outputs = [ "out" ] ++ builtins.genList (n: "o${toString n}") 64; };
}
