# Completes the words of quire in bash. What could stand where the cursor is says 'quire complete'; tools/complete.cc
# defines its answer.
# shellcheck shell=bash

# Sets REPLY to the word $1 as the shell will read it, and quote to the quote that is still open at its end.
_quire_unquote() {
  local rest=$1 letter
  REPLY='' quote=''
  while [[ -n $rest ]]; do
    letter=${rest:0:1} rest=${rest:1}
    if [[ $letter == \\ && ($quote == '' || $quote == \" && $rest == [\"\\\$\`]*) ]]; then
      REPLY+=${rest:0:1} rest=${rest:1}
    elif [[ $letter == "$quote" ]]; then
      quote=
    elif [[ -z $quote && $letter == [\"\'] ]]; then
      quote=$letter
    else
      REPLY+=$letter
    fi
  done
}

# Sets REPLY to the text $1 as it is to be typed where the quote $2, maybe none, is open. Readline's own way of quoting
# leaves dollar signs and backquotes to the shell, but names in a pack are anybody's.
_quire_quote() {
  REPLY=$1
  case $2 in
    '') printf -v REPLY %q "$1" ;;
    \') REPLY=${REPLY//\'/\'\\\'\'} ;;
    \")
      local letter
      for letter in \\ \" \$ \`; do REPLY=${REPLY//"$letter"/\\"$letter"}; done
      ;;
  esac
}

_quire() {
  COMPREPLY=()
  local quote rest=${COMP_LINE:0:COMP_POINT} words=() word blanks i
  # The shell also cuts words at '=' and ':'. Quire's end where the line has blanks.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    blanks=${rest%%[![:space:]]*}
    rest=${rest#"$blanks"}
    word=${COMP_WORDS[i]}
    ((i < COMP_CWORD)) || word=$rest
    rest=${rest#"$word"}
    if [[ -n $blanks || $i -eq 0 ]]; then words+=("$word"); else words[-1]+=$word; fi
  done
  [[ $word != [=:] ]] || word=  # what the shell will put a reply in the place of
  _quire_unquote "${words[-1]%"$word"}"
  local before=$REPLY
  for i in "${!words[@]}"; do
    _quire_unquote "${words[i]}"
    words[i]=$REPLY
  done

  # What precedes a quote in the middle of a word stays as it is, and no reply says so.
  [[ $word == "$quote"* ]] || return

  local program=${words[0]/#\~\//$HOME/} answer
  type -P -- "$program" >/dev/null || program=quire
  mapfile -t answer < <("$program" complete -- "${words[@]:1}" 2>/dev/null)
  local pattern=${answer[0]##*$'\t'} candidate
  case ${answer[0]%%$'\t'*} in
    words | paths)
      for candidate in "${answer[@]:1}"; do
        candidate=${candidate%%$'\t'*}
        REPLY=${candidate#"$before"}
        [[ ${answer[0]} != paths ]] || _quire_quote "$REPLY" "$quote"
        COMPREPLY+=("$REPLY")
      done
      [[ ${answer[0]} != paths ]] || compopt -o filenames -o noquote
      [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *[=:/] ]] || compopt -o nospace
      ;;
    files)
      # Where no name matches, all files: a pack may be called anything.
      local stem=${words[-1]#"$before"} tilde='' home=''
      [[ $stem != \~/* ]] || tilde=\~ home=$HOME
      for candidate in "$home${stem#"$tilde"}"$pattern; do
        [[ -z $pattern || ! -e $candidate ]] || COMPREPLY+=("$tilde${candidate#"$home"}")
      done
      if [[ ${#COMPREPLY[@]} -gt 0 ]]; then compopt -o filenames -o plusdirs; else compopt -o default; fi
      ;;
    dirs) compopt -o dirnames ;;
  esac
}

complete -F _quire quire
