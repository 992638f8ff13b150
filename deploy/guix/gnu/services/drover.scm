;;; A coordinator and an agent as services of Guix System: (use-modules (gnu services drover)), with deploy/guix among the load paths.
(define-module (gnu services drover)
  #:use-module (gnu services)
  #:use-module (gnu services shepherd)
  #:use-module (gnu system accounts)
  #:use-module (gnu system shadow)
  #:use-module ((guix diagnostics)
                #:select (define-with-syntax-properties formatted-message))
  #:use-module (guix gexp)
  #:use-module (guix records)
  #:use-module (guix ui)
  #:use-module (guix utils)
  #:use-module (srfi srfi-34)
  #:use-module (srfi srfi-35)
  #:export (drover-coordinator-configuration
            drover-coordinator-configuration?
            drover-coordinator-service-type
            drover-agent-configuration
            drover-agent-configuration?
            drover-agent-service-type))

(define-record-type* <drover-coordinator-configuration>
  drover-coordinator-configuration make-drover-coordinator-configuration
  drover-coordinator-configuration?
  ;; File name of the program, a string or a file-like object.
  (program drover-coordinator-configuration-program
           (default "/usr/local/bin/drover"))
  ;; TOML with settings (docs/operating.md), a string or a file-like object; no secrets where it is in the store.
  (config-file drover-coordinator-configuration-config-file
               (default #f))
  ;; Folder for the log, the pool of NARs, logs and keys.
  (data-directory drover-coordinator-configuration-data-directory
                  (default "/var/lib/drover"))
  (user drover-coordinator-configuration-user
        (default "drover"))
  ;; Further arguments: '("--store-dir" "/gnu/store").
  (extra-options drover-coordinator-configuration-extra-options
                 (default '("--store-dir" "/gnu/store"))))

;; An account and a folder of its own.
(define (accounts user directory comment)
  (list (user-group (name user) (system? #t))
        (user-account
         (name user)
         (group user)
         (system? #t)
         (comment comment)
         (home-directory directory)
         (shell "/run/current-system/profile/sbin/nologin"))))

(define (activation user directory)
  #~(begin
      (use-modules (guix build utils))
      (let ((account (getpwnam #$user)))
        (mkdir-p #$directory)
        (chown #$directory (passwd:uid account) (passwd:gid account))
        (chmod #$directory #o700))))

(define (drover-coordinator-accounts config)
  (accounts (drover-coordinator-configuration-user config)
            (drover-coordinator-configuration-data-directory config)
            "Drover coordinator"))

(define (drover-coordinator-activation config)
  (activation (drover-coordinator-configuration-user config)
              (drover-coordinator-configuration-data-directory config)))

(define (config-arguments file)
  (if file #~(list "--config" #$file) #~'()))

(define (drover-coordinator-shepherd-services config)
  (let ((user (drover-coordinator-configuration-user config)))
    (list (shepherd-service
           (documentation "Coordinate builds of derivations over many machines.")
           (provision '(drover-coordinator))
           (requirement '(user-processes networking))
           (start #~(make-forkexec-constructor
                     (append (list #$(drover-coordinator-configuration-program config)
                                   "coordinator"
                                   "--data" #$(drover-coordinator-configuration-data-directory config))
                             #$(config-arguments
                                (drover-coordinator-configuration-config-file config))
                             '#$(drover-coordinator-configuration-extra-options config))
                     #:user #$user
                     #:group #$user
                     #:directory "/"
                     ;; Pages of 2 MiB for a long queue.
                     #:environment-variables
                     (cons "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"
                           (default-environment-variables))
                     ;; Connections of agents and clients, and files of the pool.
                     #:resource-limits '((nofile 65536 65536))
                     #:file-creation-mask #o077
                     #:log-file "/var/log/drover-coordinator.log"))
           (stop #~(make-kill-destructor))))))

(define drover-coordinator-service-type
  (service-type
   (name 'drover-coordinator)
   (description "Run the coordinator of Drover, which coordinates builds of Guix and Nix derivations over many machines.")
   (extensions
    (list (service-extension account-service-type drover-coordinator-accounts)
          (service-extension activation-service-type drover-coordinator-activation)
          (service-extension shepherd-root-service-type drover-coordinator-shepherd-services)))
   (default-value (drover-coordinator-configuration))))

;; What is in the store everybody can read.
(define-with-syntax-properties (validate-token-file (file properties))
  (unless (string? file)
    (raise
     (make-compound-condition
      (condition
       (&error-location
        (location (source-properties->location properties))))
      (formatted-message
       (G_ "'token-file' must be the name of a file outside the store")))))
  file)

(define-record-type* <drover-agent-configuration>
  drover-agent-configuration make-drover-agent-configuration
  drover-agent-configuration?
  ;; File name of the program, a string or a file-like object.
  (program drover-agent-configuration-program
           (default "/usr/local/bin/drover"))
  ;; URL of the coordinator.
  (coordinator drover-agent-configuration-coordinator)
  ;; File with the agent's token: a string, as it does not belong into the store.
  (token-file drover-agent-configuration-token-file
              (default "/etc/drover-agent.token")
              (sanitize validate-token-file))
  ;; TOML with further settings, a string or a file-like object.
  (config-file drover-agent-configuration-config-file
               (default #f))
  (state-directory drover-agent-configuration-state-directory
                   (default "/var/lib/drover-agent"))
  ;; Who runs it, who has to be able to read the token: guix-daemon asks nothing of its clients.
  (user drover-agent-configuration-user
        (default "drover-agent"))
  (extra-options drover-agent-configuration-extra-options
                 (default '())))

(define (drover-agent-accounts config)
  (accounts (drover-agent-configuration-user config)
            (drover-agent-configuration-state-directory config)
            "Drover agent"))

(define (drover-agent-activation config)
  (activation (drover-agent-configuration-user config)
              (drover-agent-configuration-state-directory config)))

(define (drover-agent-shepherd-services config)
  (list (shepherd-service
         (documentation "Build what the coordinator of Drover gives this machine.")
         (provision '(drover-agent))
         ;; What starts later stops earlier: builds need their daemon until they end.
         (requirement '(user-processes networking guix-daemon))
         (start #~(make-forkexec-constructor
                   (append (list #$(drover-agent-configuration-program config)
                                 "agent"
                                 "--coordinator" #$(drover-agent-configuration-coordinator config)
                                 "--token-file" #$(drover-agent-configuration-token-file config)
                                 "--state" #$(drover-agent-configuration-state-directory config)
                                 "--store-dir" "/gnu/store")
                           #$(config-arguments (drover-agent-configuration-config-file config))
                           '#$(drover-agent-configuration-extra-options config))
                   #:user #$(drover-agent-configuration-user config)
                   #:group #$(drover-agent-configuration-user config)
                   #:directory "/"
                   #:file-creation-mask #o077
                   #:log-file "/var/log/drover-agent.log"))
         ;; It leaves when its builds have ended, however long they take.
         (stop #~(make-kill-destructor SIGTERM #:grace-period (* 365 24 3600))))))

(define drover-agent-service-type
  (service-type
   (name 'drover-agent)
   (description "Run an agent of Drover, which builds with this machine's guix-daemon what a coordinator gives it.")
   (extensions
    (list (service-extension account-service-type drover-agent-accounts)
          (service-extension activation-service-type drover-agent-activation)
          (service-extension shepherd-root-service-type drover-agent-shepherd-services)))))
