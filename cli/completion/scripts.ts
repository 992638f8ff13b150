/** The shells that there is a script for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/**
 * What each shell has to run once. All of them ask `drover __complete`, so that a script stays right when commands change; what that prints
 * is described at {@link completionFor} (main.ts).
 */
export const completionScripts: Readonly<Record<Shell, string>> = {
  // readline takes a word apart at = and :, which are in flags and in names of contexts: what belongs together is put together
  // again, and what is there already is left out of the candidates. At the second Tab (63 is the code of ?) they are only shown.
  bash: `# bash completion for drover; made by: drover completion bash
_drover() {
  local -a words=() lines=()
  local line=\${COMP_LINE:0:COMP_POINT} word kind value about head i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i > 1)) && [[ $line != [[:space:]]* && -n $line && ( $word == [=:]* || \${COMP_WORDS[i-1]} == *[=:] ) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
    while [[ $line == [[:space:]]* ]]; do line=\${line#?}; done
    line=\${line#"$word"}
  done
  head=\${words[-1]%"\${COMP_WORDS[COMP_CWORD]#[=:]}"}
  mapfile -t lines < <(drover __complete "\${words[@]:1}" 2>/dev/null </dev/null)
  kind=\${lines[0]-}
  COMPREPLY=()
  case $kind in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "\${words[-1]}") ;;
    folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "\${words[-1]}") ;;
    words)
      for line in "\${lines[@]:1}"; do
        value=\${line%%$'\\t'*} about=\${line#*$'\\t'}
        if [[ $COMP_TYPE == 63 && \${#lines[@]} -gt 2 && -n $about ]]; then
          COMPREPLY+=("$value  ($about)")
        else
          COMPREPLY+=("\${value#"$head"}")
        fi
      done
      ;;
  esac
}
complete -o nosort -F _drover drover
`,
  zsh: `#compdef drover
# zsh completion for drover; made by: drover completion zsh
_drover() {
  local -a lines values shown
  local line value about
  lines=("\${(@f)$(drover __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
  case \${lines[1]-} in
    files) _files ;;
    folders) _files -/ ;;
    words)
      for line in "\${(@)lines[2,-1]}"; do
        value=\${line%%$'\\t'*} about=\${line#*$'\\t'}
        values+=("$value")
        shown+=("$value\${about:+  -- $about}")
      done
      compadd -V drover -l -d shown -a -- values
      ;;
  esac
}
if [[ \${funcstack[1]-} == _drover ]]; then _drover "$@"; else compdef _drover drover; fi
`,
  fish: `# fish completion for drover; made by: drover completion fish
function __drover_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (drover __complete $before[2..-1] "$current" 2>/dev/null </dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current" ''
        case words
            test (count $lines) -gt 1; and printf '%s\\n' $lines[2..-1]
    end
end
complete -c drover -k -f -a '(__drover_complete)'
`,
};
