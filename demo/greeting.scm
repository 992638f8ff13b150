;; A derivation of Guix that needs nothing but a shell, which the script is given: there is no network in this demo, and so no package of Guix.
(use-modules (guix store) (guix derivations) (ice-9 match))

(match (command-line)
  ((_ busybox)
   (with-store store
     (let* ((shell (add-to-store store "busybox" #t "sha256" busybox))
            (greeting (derivation store "greeting" (string-append shell "/bin/sh")
                                  '("-c" "echo \"made by guix-daemon\"; echo \"greetings from /gnu/store\" > $out")
                                  #:sources (list shell))))
       (display (derivation-file-name greeting))
       (newline)
       (display (derivation->output-path greeting))
       (newline)))))
