// Command milepost is the one program of a milepost log: it runs a node,
// signs and submits records, makes proof files, checks them offline, and
// audits a whole ledger. It is a thin shell over the rooms below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
)

// Exit statuses, the same for every command.
const (
	exitDone    = 0 // done; verified
	exitRefused = 1 // the answer is no: not verified, refused, found wrong
	exitFailed  = 2 // it could not be run: usage, files, keys, network
)

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

// refusal marks an error as the answer of a command that did run.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	app := newApp(in, out, errs)
	if args[len(args)-1] == completing {
		complete(app, args[1:len(args)-1], out)
		return exitDone
	}
	args, err := reorder(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, ctx.Err())) {
		err = fault.New("interrupted", "", "stopped: "+context.Cause(ctx).Error()).WithHint("what was sent may have arrived; to send the same bytes again is always safe")
	}
	var e *fault.Error
	switch {
	case errors.Is(err, errShown):
	case errors.As(err, &e):
		fmt.Fprintf(errs, "milepost: %s [%s]\n", err, fault.Code(err))
		if h := fault.Hint(err); h != "" {
			fmt.Fprintf(errs, "  hint: %s\n", h)
		}
	default:
		fmt.Fprintf(errs, "milepost: %s\n", err)
	}
	if errors.As(err, new(refusal)) {
		return exitRefused
	}
	return exitFailed
}

// errShown is the error of a command that has said already what is wrong.
var errShown = errors.New("shown")

func newApp(in io.Reader, out, errs io.Writer) *cli.App {
	app := &cli.App{
		Name: "milepost", Usage: "a shared log of vehicle histories that nobody can alter, and from which nothing can be left out",
		Version: node.Version, Reader: in, Writer: out, ErrWriter: errs, HideHelpCommand: true, Suggest: false,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usage(err.Error()) },
		Commands: []*cli.Command{
			demoCommand(), clusterCommand(), nodeCommand(), memberCommand(), keyCommand(), policyCommand(), recordCommand(), caseCommand(),
			historyCommand(), proveCommand(), verifyCommand(), fleetCommand(), auditCommand(), benchCommand(),
			attachCommand(), personalCommand(), reportCommand(),
			doctorCommand(), configCommand(), completionCommand(), manCommand(),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usage(fmt.Sprintf("there is no command %q", c.Args().First()))
			}
			return cli.ShowAppHelp(c)
		},
	}
	eachCommand(app.Commands, func(c *cli.Command) {
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usage(err.Error()) }
		c.HideHelpCommand = true
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = func(ctx *cli.Context) error {
				if ctx.Args().Present() {
					return usage(fmt.Sprintf("there is no command %q under %s", ctx.Args().First(), ctx.Command.Name))
				}
				return cli.ShowSubcommandHelp(ctx)
			}
		}
	})
	return app
}

func eachCommand(cs []*cli.Command, fn func(*cli.Command)) {
	for _, c := range cs {
		fn(c)
		eachCommand(c.Subcommands, fn)
	}
}

func usage(what string) error {
	return fault.New("usage", "", what).WithHint("milepost COMMAND --help tells what a command takes")
}

// reorder puts the flags of a command before its arguments: the library
// stops reading flags at the first argument, and `verify file --policy p`
// would silently check against no policy at all. A flag that the command does
// not have is refused; after -- everything is an argument.
func reorder(app *cli.App, args []string) ([]string, error) {
	path, rest := args[:1:1], args[1:]
	commands, flags := app.Commands, []cli.Flag{&cli.BoolFlag{Name: "version", Aliases: []string{"v"}}}
	for len(rest) > 0 {
		c := findCommand(commands, rest[0])
		if c == nil {
			break
		}
		path, rest = append(path, rest[0]), rest[1:]
		commands, flags = c.Subcommands, c.Flags
	}
	takes := map[string]bool{"help": false, "h": false}
	for _, f := range flags {
		_, isBool := f.(*cli.BoolFlag)
		for _, name := range f.Names() {
			takes[name] = !isBool
		}
	}
	var options, operands []string
	for i := 0; i < len(rest); i++ {
		a := rest[i]
		if a == "--" {
			operands = append(operands, rest[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			operands = append(operands, a)
			continue
		}
		name, _, inline := strings.Cut(strings.TrimLeft(a, "-"), "=")
		value, known := takes[name]
		if !known {
			return nil, usage(fmt.Sprintf("%s has no flag %s", strings.Join(path, " "), a))
		}
		options = append(options, a)
		if value && !inline {
			if i++; i == len(rest) {
				return nil, usage(fmt.Sprintf("flag %s needs a value", a))
			}
			options = append(options, rest[i])
		}
	}
	out := append(path, options...)
	if len(operands) > 0 {
		out = append(append(out, "--"), operands...)
	}
	return out, nil
}

func findCommand(cs []*cli.Command, name string) *cli.Command {
	for _, c := range cs {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// operands checks the number of a command's arguments.
func operands(c *cli.Context, min, max int, what string) ([]string, error) {
	args := c.Args().Slice()
	if len(args) < min || max >= 0 && len(args) > max {
		return nil, usage(fmt.Sprintf("%s takes %s", c.Command.HelpName, what))
	}
	return args, nil
}
