# A derivation that the machine's own shell builds: name, attributes, and what it runs.
{
  system ? builtins.currentSystem,
}:
name: attributes: script:
derivation (
  {
    inherit name system;
    builder = "/bin/sh";
    args = [
      "-euc"
      script
    ];
    PATH = "/usr/bin:/bin";
    LC_ALL = "C";
  }
  // attributes
)
