# Completes the words of quire in fish. What could stand where the cursor is says 'quire complete'; tools/complete.cc
# defines its answer.

function __quire_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l token (commandline --current-token --cut-at-cursor)
    # Its last quote may still be open.
    set -l word (string unescape -- $token; or string unescape -- $token\"; or string unescape -- $token\')
    set -l program (string replace --regex '^~/' $HOME/ -- $words[1])
    command --query $program; or set program quire

    set -l answer ($program complete -- $words[2..] "$word" 2>/dev/null)
    set -l head (string split \t -- $answer[1])
    switch "$head[1]"
        case words paths
            printf '%s\n' $answer[2..]
        case files dirs
            # Fish completes files of a command that it does not know. Where no name matches, all of them: a pack may be
            # called anything.
            set -l file (string sub --start (math 1 + (string length -- "$head[2]")) -- "$token")
            set -l found (complete --do-complete "'' $file")
            set -l folders (string match -- '*/' $found)
            set -l matching (string match -- "$head[3]" $found)
            if test $head[1] = dirs
                set found $folders
            else if set -q matching[1]
                set found $matching $folders
            end
            printf "%s\n" $head[2]$found
    end
end

complete --command quire --no-files --keep-order --arguments '(__quire_complete)'
