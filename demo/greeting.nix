# The same for Nix: its agent's sandbox has /bin/sh (see farm.ts).
derivation {
  name = "greeting";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [
    "-c"
    "echo 'made by nix-daemon'; echo 'greetings from /nix/store' > $out"
  ];
}
