# A coordinator and an agent as services of NixOS: the units of deploy/systemd, made of settings. `imports = [ ./module.nix ];`
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkEnableOption
    mkIf
    mkMerge
    mkOption
    types
    ;
  coordinator = config.services.drover-coordinator;
  agent = config.services.drover-agent;
  toml = pkgs.formats.toml { };

  options = what: {
    enable = mkEnableOption "the Drover ${what}";
    package = mkOption {
      type = types.package;
      description = "Drover: what has `bin/drover`.";
    };
    settings = mkOption {
      inherit (toml) type;
      default = { };
      description = "Settings, as in the file for `--config` (docs/operating.md). Secrets do not belong here: the file is in the store.";
    };
  };

  hardening = {
    CapabilityBoundingSet = "";
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectSystem = "strict";
    RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallFilter = "@system-service";
  };
in
{
  options.services.drover-coordinator = options "coordinator";
  options.services.drover-agent = options "agent" // {
    user = mkOption {
      type = types.str;
      default = "root";
      description = "Who the agent runs as: root for a chroot store of its own, else any user that the Nix daemon trusts.";
    };
    tokenFile = mkOption {
      # A path of Nix would be copied into the store, for everybody to read.
      type = types.str;
      example = "/etc/drover-agent.token";
      description = "File with the agent's token, which only root needs to read; a string, so that it stays out of the store.";
    };
  };

  config = mkMerge [
    (mkIf coordinator.enable {
      users.users.drover = {
        isSystemUser = true;
        group = "drover";
        home = "/var/lib/drover";
      };
      users.groups.drover = { };
      systemd.services.drover-coordinator = {
        description = "Drover coordinator";
        after = [ "network-online.target" ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        # Where a disk or the servers of the log are away it is started again until they are there.
        startLimitIntervalSec = 0;
        # Pages of 2 MiB for a long queue.
        environment.GLIBC_TUNABLES = "glibc.malloc.hugetlb=1";
        serviceConfig = hardening // {
          # Started is who serves. To read a long log takes as long as it does.
          Type = "notify";
          NotifyAccess = "all";
          TimeoutStartSec = "infinity";
          User = "drover";
          StateDirectory = "drover";
          StateDirectoryMode = "0700";
          UMask = "0077";
          ExecStart = "${coordinator.package}/bin/drover coordinator --config ${
            toml.generate "drover.toml" (
              {
                data = "/var/lib/drover";
                log-format = "json";
              }
              // coordinator.settings
            )
          }";
          Restart = "on-failure";
          RestartSec = 2;
          # A wrong setting does not become right by itself.
          RestartPreventExitStatus = 2;
          LimitNOFILE = 65536;
          # It is not ended where a process that writes snapshots, or shows a moment that is over, has no memory left.
          OOMPolicy = "continue";
        };
      };
    })
    (mkIf agent.enable {
      systemd.services.drover-agent = {
        description = "Drover agent";
        # What starts later stops earlier: builds need their daemon until they end, and the agent tells a coordinator beside it how they did.
        after = [
          "network-online.target"
          "nix-daemon.socket"
          "nix-daemon.service"
          "drover-coordinator.service"
        ];
        wants = [ "network-online.target" ];
        wantedBy = [ "multi-user.target" ];
        startLimitIntervalSec = 0;
        # Builds in a chroot store, and clients of the daemon.
        path = [ config.nix.package ];
        environment.DROVER_TOKEN_FILE = "%d/token";
        serviceConfig = {
          Type = "exec";
          User = agent.user;
          StateDirectory = "drover-agent";
          StateDirectoryMode = "0700";
          # After 'agents rotate-token', restart the agent.
          LoadCredential = "token:${agent.tokenFile}";
          ExecStart = "${agent.package}/bin/drover agent --config ${
            toml.generate "drover-agent.toml" ({ state = "/var/lib/drover-agent"; } // agent.settings)
          }";
          Restart = "on-failure";
          RestartSec = 5;
          # A wrong setting, or a token that was revoked.
          RestartPreventExitStatus = "2 77";
          # With on-shutdown = "finish" it leaves when its builds have ended.
          TimeoutStopSec = "infinity";
          # Builds in a chroot store run under the agent: they are not stopped before it, nor is it where one of them has no memory left.
          KillMode = "mixed";
          OOMPolicy = "continue";
          LimitNOFILE = 1048576;
          TasksMax = 1048576;
          Delegate = true;
        }
        # An agent that is not root's only talks to the daemon: it needs nothing else.
        // lib.optionalAttrs (agent.user != "root") hardening;
      };
    })
  ];
}
