package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/milepost-log/milepost/certs/fault"
)

// prompter asks a person for what the flags do not say.
type prompter struct {
	c           *cli.Context
	in          *bufio.Reader
	out         io.Writer // questions; not what the command answers
	interactive bool
}

// newPrompter asks on a terminal, or wherever --ask is given.
func newPrompter(c *cli.Context) *prompter {
	f, ok := c.App.Reader.(*os.File)
	return &prompter{c: c, in: bufio.NewReader(c.App.Reader), out: c.App.ErrWriter,
		interactive: c.Bool("ask") || ok && term.IsTerminal(int(f.Fd()))}
}

// say tells the person something, if there is one.
func (p *prompter) say(format string, args ...any) {
	if p.interactive {
		fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// ask returns a flag's value, or else what a person answers, def for an empty
// line. A person is told what is wrong and asked again until it is right;
// without one a wrong or missing value is the error.
func (p *prompter) ask(flag, question, def string, check func(string) error) (string, error) {
	if p.c.IsSet(flag) {
		v := p.c.String(flag)
		err := check(v)
		if err == nil || !p.interactive {
			return v, at(flag, err)
		}
		p.wrong(err)
	} else if !p.interactive {
		if def == "" {
			return "", fault.New("usage", "--"+flag, "it is missing: "+strings.ToLower(question[:1])+question[1:]).WithHint("add --" + flag + ", or run it on a terminal to be asked")
		}
		return def, at(flag, check(def))
	}
	for {
		fmt.Fprint(p.out, question)
		if def != "" {
			fmt.Fprintf(p.out, " [%s]", def)
		}
		fmt.Fprint(p.out, ": ")
		line, err := p.in.ReadString('\n')
		v := strings.TrimSpace(line)
		if v == "" {
			v = def
		}
		switch {
		case err != nil && line == "":
			fmt.Fprintln(p.out)
			return "", fault.New("usage", "--"+flag, "the input ended before this was answered").WithHint("nothing was made; begin again")
		case v == "":
			p.wrong(fault.New("usage", "", "an answer is needed"))
		default:
			if err := check(v); err == nil {
				return v, nil
			} else {
				p.wrong(err)
			}
		}
	}
}

func (p *prompter) wrong(err error) {
	fmt.Fprintf(p.out, "  That won't do: %s\n", err)
	if h := fault.Hint(err); h != "" {
		fmt.Fprintf(p.out, "  (%s)\n", h)
	}
}

// at says which flag an error is about, if the error does not say where.
func at(flag string, err error) error {
	if e, ok := err.(*fault.Error); ok && e.Where == "" {
		e.Where = "--" + flag
	}
	return err
}
