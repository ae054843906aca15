package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "print the manual page of milepost, in roff", Hidden: true,
		Description: "`milepost man | man -l -` reads it; `make man` writes it to a file.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			_, err := fmt.Fprint(c.App.Writer, manual(c.App))
			return err
		},
	}
}

// manual makes a manual page (section 1) of the command table, in man(7)
// macros. The same program writes the same page.
func manual(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH MILEPOST 1 \"\" \"milepost %s\" \"Milepost\"\n", app.Version)
	fmt.Fprintf(&b, ".SH NAME\nmilepost \\- %s\n", roff(app.Usage))
	b.WriteString(".SH SYNOPSIS\n.B milepost\nCOMMAND [FLAGS] [ARGUMENTS]\n.SH COMMANDS\n")
	for _, c := range app.Commands {
		manualOf(&b, "milepost", c)
	}
	b.WriteString(".SH EXIT STATUS\n.TP\n.B 0\ndone; verified\n.TP\n.B 1\nthe answer is no: not verified, refused, found wrong\n.TP\n.B 2\nit could not be run: usage, files, keys, network\n")
	b.WriteString(".SH ENVIRONMENT\n")
	for _, s := range settings {
		instead := "the file with the passphrase of key files"
		if s.flag != "" {
			instead = "as --" + s.flag
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(s.env), roff(instead))
	}
	b.WriteString(".SH SEE ALSO\nThe pages in docs/ of the source: installing.md, watching.md, governance.md, errors.md, format.md.\n")
	return b.String()
}

func manualOf(b *strings.Builder, path string, c *cli.Command) {
	if c.Hidden {
		return
	}
	path += " " + c.Name
	fmt.Fprintf(b, ".SS %s\n%s.\n", roff(strings.TrimSpace(path+" "+c.ArgsUsage)), roff(c.Usage))
	if c.Description != "" {
		fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(c.Description))
	}
	for _, f := range c.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		var names []string
		for _, n := range f.Names() {
			if len(n) == 1 {
				names = append(names, "-"+n)
			} else {
				names = append(names, "--"+n)
			}
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.Join(names, ", ")), roff(strings.ReplaceAll(d.GetUsage(), "`", "")))
	}
	for _, sub := range c.Subcommands {
		manualOf(b, path, sub)
	}
}

// roff escapes text: a backslash, a minus that is one, and a full stop or
// quote that begins a line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
