package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print what completes milepost's commands and flags in a shell", ArgsUsage: "bash|zsh|fish",
		Description: "  bash   milepost completion bash > /etc/bash_completion.d/milepost\n" +
			"  zsh    milepost completion zsh > /usr/local/share/zsh/site-functions/_milepost\n" +
			"  fish   milepost completion fish > ~/.config/fish/completions/milepost.fish",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, 1, "one shell: bash, zsh or fish")
			if err != nil {
				return err
			}
			script := ""
			switch args[0] {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				if script, err = c.App.ToFishCompletion(); err != nil {
					return err
				}
			default:
				return fault.New("usage", "", fmt.Sprintf("%q is none of bash, zsh and fish", args[0]))
			}
			_, err = fmt.Fprint(c.App.Writer, strings.TrimSpace(script)+"\n")
			return err
		},
	}
}

// Both ask the program itself, so that they never lag behind it.
const bashCompletion = `
# milepost completion for bash
_milepost() {
  local cur words
  cur="${COMP_WORDS[COMP_CWORD]}"
  if [[ "$cur" == -* ]]; then
    words=$("${COMP_WORDS[@]:0:COMP_CWORD}" "$cur" --generate-bash-completion 2>/dev/null)
  else
    words=$("${COMP_WORDS[@]:0:COMP_CWORD}" --generate-bash-completion 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _milepost milepost
`

const zshCompletion = `
#compdef milepost
# milepost completion for zsh
_milepost() {
  local -a found
  local cur="${words[CURRENT]}"
  if [[ "$cur" == -* ]]; then
    found=("${(@f)$(${words[1,CURRENT-1]} "$cur" --generate-bash-completion 2>/dev/null)}")
  else
    found=("${(@f)$(${words[1,CURRENT-1]} --generate-bash-completion 2>/dev/null)}")
  fi
  if [[ -n "${found[1]}" ]]; then
    compadd -a found
  else
    _files
  fi
}
if [ "$funcstack[1]" = "_milepost" ]; then
  _milepost "$@"
else
  compdef _milepost milepost
fi
`

// completing is the last argument with which a shell asks what may come next.
const completing = "--generate-bash-completion"

// complete lists what may come after some arguments: the flags of the command
// if the last one begins with a minus, its subcommands if not. The library's
// own way asks for flags that parse, and half a flag does not.
func complete(app *cli.App, args []string, out io.Writer) {
	commands, flags := app.Commands, []cli.Flag(nil)
	last := ""
	for _, a := range args {
		last = a
		if c := findCommand(commands, a); c != nil {
			commands, flags = c.Subcommands, c.Flags
		}
	}
	if !strings.HasPrefix(last, "-") {
		for _, c := range commands {
			if !c.Hidden {
				fmt.Fprintln(out, c.Name)
			}
		}
		return
	}
	for _, f := range flags {
		for _, name := range f.Names() {
			if word := "--" + name; len(name) > 1 && strings.HasPrefix(word, last) {
				fmt.Fprintln(out, word)
			}
		}
	}
}
