# Evaluates deploy/nixos/module.nix with a stub of nixpkgs' lib and pkgs, which cannot be had here: of what the module uses, with the same names and
# results, and options that are not merged but given.
{ module, user }:
let
  merge =
    a: b:
    if builtins.isAttrs a && builtins.isAttrs b then
      a // builtins.mapAttrs (name: value: if a ? ${name} then merge a.${name} value else value) b
    else
      b;
  lib = {
    mkEnableOption = description: { inherit description; };
    mkOption = option: option;
    mkIf = condition: value: if condition then value else { };
    mkMerge = builtins.foldl' merge { };
    optionalAttrs = condition: value: if condition then value else { };
    types = {
      package = "package";
      path = "path";
      str = "str";
    };
  };
  pkgs.formats.toml = _: {
    type = "toml";
    generate = name: value: "${name}: ${builtins.toJSON value}";
  };
  evaluated = import module {
    inherit lib pkgs;
    config = {
      nix.package = "nix";
      services = {
        drover-coordinator = {
          enable = true;
          package = "/drover";
          settings.listen = "0.0.0.0:8745";
        };
        drover-agent = {
          inherit user;
          enable = true;
          package = "/drover";
          tokenFile = "/etc/drover-agent.token";
          settings.coordinator = "https://builds.example.org";
        };
      };
    };
  };
in
{
  options = builtins.mapAttrs (_: builtins.attrNames) evaluated.options.services;
  inherit (evaluated.config.systemd) services;
}
