;;; Evaluates the services of deploy/guix: each extension of each, as text. Arguments: the folder of the module.
(add-to-load-path (cadr (command-line)))
(use-modules (gnu services drover) (gnu services) (gnu services shepherd) (gnu system shadow) (guix gexp))

(define services
  (list (service drover-coordinator-service-type
                 (drover-coordinator-configuration
                  (config-file (plain-file "drover.toml" "listen = \"0.0.0.0:8745\"\n"))))
        (service drover-agent-service-type
                 (drover-agent-configuration (coordinator "https://builds.example.org")))))

(define (show thing)
  (cond ((gexp? thing) (gexp->approximate-sexp thing))
        ((shepherd-service? thing)
         (list (shepherd-service-provision thing)
               (shepherd-service-requirement thing)
               (show (shepherd-service-start thing))
               (show (shepherd-service-stop thing))))
        ((user-account? thing) (list 'account (user-account-name thing) (user-account-home-directory thing)))
        ((user-group? thing) (list 'group (user-group-name thing)))
        ((list? thing) (map show thing))
        (else thing)))

(for-each
 (lambda (service)
   (for-each
    (lambda (extension)
      (write (list (service-type-name (service-kind service))
                   (service-type-name (service-extension-target extension))
                   (show ((service-extension-compute extension) (service-value service)))))
      (newline))
    (service-type-extensions (service-kind service))))
 services)

;; A token in the store.
(write (list 'refused
             (with-exception-handler
                 (const #t)
               (lambda ()
                 (drover-agent-configuration
                  (coordinator "https://builds.example.org")
                  (token-file (plain-file "token" "secret")))
                 #f)
               #:unwind? #t)))
(newline)
