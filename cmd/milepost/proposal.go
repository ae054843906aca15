package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/record"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func readProposal(path string) (*record.Proposal, error) {
	data, err := readCapped(path, record.MaxProposal)
	if err != nil {
		return nil, err
	}
	p, err := record.ParseProposal(data)
	if err != nil {
		return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
	}
	return p, nil
}

// showProposal says what a proposal changes, and who has signed it and who
// has not.
func showProposal(c *cli.Context, p *record.Proposal, sit *situation) {
	out := c.App.Writer
	fmt.Fprintf(out, "Log: %s\n", logName(p.Records[0].Record.Origin))
	for _, r := range p.Records {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSuffix(r.Record.Type, "/1"))
		for _, l := range words(r.Record, sit) {
			fmt.Fprintf(out, "  %s\n", l)
		}
		if sit != nil {
			if index, ok := sit.onLog(r.Record); ok {
				fmt.Fprintf(out, "  this is on the log already, at log index %d\n", index)
			} else if err := sit.refused(r); err != nil {
				fmt.Fprintf(out, "  THE LOG WOULD REFUSE THIS NOW: %v [%s]\n", err, fault.Code(err))
			}
		}
		fmt.Fprintf(out, "  %s\n", signatures(r))
	}
}

// signatures says who has signed a record and who has not.
func signatures(r *record.Proposed) string {
	missing := r.Missing()
	var signed []string
	for _, s := range r.Sigs {
		signed = append(signed, s.Name)
	}
	switch {
	case len(missing) == 0:
		return "signed by " + strings.Join(signed, ", ") + ": complete"
	case len(signed) == 0:
		return "not signed yet by " + strings.Join(missing, ", ")
	}
	return "signed by " + strings.Join(signed, ", ") + "; not yet by " + strings.Join(missing, ", ")
}

func signCommand() *cli.Command {
	return &cli.Command{
		Name: "sign", Usage: "add one signature to a proposal, in the same file", ArgsUsage: "FILE",
		Description: "Needs the file and the key, and no node. What is signed is shown first, with the values of before where a\n" +
			"node can be asked (--as MEMBER). Without --key it only shows the proposal.",
		Flags: clientFlags(
			&cli.StringFlag{Name: "key", Usage: "the key `FILE` of a governor who is to sign"},
			&cli.BoolFlag{Name: "offline", Usage: "ask no node"},
			&cli.BoolFlag{Name: "yes", Usage: "sign without asking"},
		),
		Action: signProposal,
	}
}

func signProposal(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one proposal file")
	if err != nil {
		return err
	}
	p, err := readProposal(args[0])
	if err != nil {
		return err
	}
	sit, err := situationOf(c, p)
	if err != nil {
		return err
	}
	showProposal(c, p, sit)
	if sit == nil {
		fmt.Fprintln(c.App.Writer, "\nNo node was asked: only the new values are shown.")
	}
	if c.String("key") == "" {
		return nil
	}
	k, err := keyfile.ReadKeyFile(c.String("key"), passphrase(c))
	if err != nil {
		return err
	}
	if k.Use != keyfile.UseGovernor {
		return fault.New("key_use", c.String("key"), fmt.Sprintf("it is a key for the use %q: governors sign with a governor's key", k.Use))
	}
	s, err := k.Signer()
	if err != nil {
		return err
	}
	if err := confirm(c, s); err != nil {
		return err
	}
	n, err := p.Sign(s)
	if err != nil {
		return refusal{fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))}
	}
	if err := write(c, args[0], p.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "\nSigned by %s (key %s)%s.\n", s.Name(), certs.FormatID(s.ID()), map[bool]string{true: fmt.Sprintf(": %d records", n)}[n > 1])
	missing := map[string]bool{}
	for _, r := range p.Records {
		for _, name := range r.Missing() {
			missing[name] = true
		}
	}
	if len(missing) == 0 {
		fmt.Fprintf(c.App.Writer, "All have signed.\n")
	} else {
		fmt.Fprintf(c.App.Writer, "Not signed yet by %s: pass %s on to them.\n", strings.Join(sortedKeys(missing), ", "), args[0])
	}
	return nil
}

// confirm asks the person at the terminal, if there is one.
func confirm(c *cli.Context, s certs.Signer) error {
	in, ok := c.App.Reader.(*os.File)
	if c.Bool("yes") || !ok || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	fmt.Fprintf(c.App.ErrWriter, "\nSign this as %s? [y/N] ", s.Name())
	answer, _ := bufio.NewReader(in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return refusal{fault.New("not_confirmed", "", "nothing is signed")}
	}
	return nil
}

// patience is how long a command that can do without a node waits for one.
const patience = 5 * time.Second

// situationOf asks a node about what a proposal changes. It returns nil when
// none can be asked, or none is to be.
func situationOf(c *cli.Context, p *record.Proposal) (*situation, error) {
	r := p.Records[0].Record
	if c.Bool("offline") || c.String("as") == "" || r.Type == "log.genesis/1" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(c.Context, patience)
	defer cancel()
	parent := c.Context
	c.Context = ctx
	defer func() { c.Context = parent }()
	s, err := dial(c, true)
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "milepost: note: no node could be asked: %v\n", err)
		return nil, nil
	}
	member := ""
	if r.Def.Owner != "" {
		member = r.Body.Get(r.Def.Owner).Str
	}
	sit, err := s.situation(c, member)
	if err != nil {
		return nil, err
	}
	if sit.auth.Origin != r.Origin {
		return nil, refusal{fault.New("origin", "", "the proposal belongs to another log: "+r.Origin).
			WithHint("this cluster's log is " + sit.auth.Origin + "; --offline signs without asking it")}
	}
	return sit, nil
}

func applyCommand() *cli.Command {
	return &cli.Command{
		Name: "apply", Usage: "send a proposal that exactly those named have signed", ArgsUsage: "FILE...",
		Description: "Copies of one proposal that were signed apart are taken together.\n" +
			"Exit status: 0 acknowledged, 1 a signature is missing or the log refuses it.",
		Flags: clientFlags(jsonFlag), Action: applyProposal,
	}
}

func applyProposal(c *cli.Context) error {
	args, err := operands(c, 1, -1, "a proposal file, or several copies of one")
	if err != nil {
		return err
	}
	p, err := readCopies(args)
	if err != nil {
		return err
	}
	var notes [][]byte
	for _, r := range p.Records {
		note, err := r.Note()
		if err != nil {
			return refusal{fault.New(fault.Code(err), args[0], err.Error()).WithHint(fault.Hint(err))}
		}
		notes = append(notes, note)
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	ans, err := submit(c, s.client, notes)
	if err != nil {
		return err
	}
	names := make([]string, len(notes))
	policy := false
	for i, r := range p.Records {
		names[i] = strings.TrimSuffix(r.Record.Type, "/1")
		policy = policy || r.Record.Body.Has("policy")
	}
	if err := printAnswers(c, ans, names); err != nil {
		return err
	}
	if policy && !c.Bool("json") {
		fmt.Fprintln(c.App.Writer, "The trust policy has changed: publish the one of `milepost cluster policy`. Who holds the old one can\nderive it from any new proof file with `milepost policy follow`.")
	}
	return nil
}

// readCopies reads copies of one proposal and takes their signatures together.
func readCopies(paths []string) (p *record.Proposal, err error) {
	for _, path := range paths {
		copied, err := readProposal(path)
		if err != nil {
			return nil, err
		}
		if p == nil {
			p = copied
		} else if err := p.Merge(copied); err != nil {
			return nil, fault.New(fault.Code(err), paths[0]+" and "+path, err.Error())
		}
	}
	return p, nil
}
