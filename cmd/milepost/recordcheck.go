package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

func recordCheckCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "ask a node whether records would be accepted, and what to look at before", ArgsUsage: "RECORD...",
		Description: "Nothing is sent to the log. Warnings block nothing: a reading that is right although it looks wrong is\n" +
			"submitted as it is. Exit status 1 if a record would be refused.",
		Flags: clientFlags(jsonFlag), Action: checkRecords,
	}
}

// readNotes reads signed records from files, for what can be seen here.
func readNotes(paths []string) (notes [][]byte, err error) {
	for _, path := range paths {
		note, err := readCapped(path, record.MaxBytes)
		if err != nil {
			return nil, err
		}
		if _, err := record.Open(note); err != nil {
			return nil, fault.New(fault.Code(err), path, err.Error()).WithHint(fault.Hint(err))
		}
		notes = append(notes, note)
	}
	return notes, nil
}

func checkRecords(c *cli.Context) error {
	args, err := operands(c, 1, -1, "one or more record files")
	if err != nil {
		return err
	}
	notes, err := readNotes(args)
	if err != nil {
		return err
	}
	s, err := dial(c, true)
	if err != nil {
		return err
	}
	ans, err := s.client.Check(c.Context, notes...)
	if err != nil {
		return err
	}
	errs := make([]*node.ErrorBody, len(ans.Records))
	for i, r := range ans.Records {
		errs[i] = r.Error
	}
	return printEach(c, ans, args, errs, "would be refused", func(i int, name string) {
		r := ans.Records[i]
		word := map[string]string{"acceptable": "would be accepted", "present": "already on the log"}[r.Status]
		fmt.Fprintf(c.App.Writer, "%s: %s, as far as can be told now\n", name, word)
		printWarnings(c.App.Writer, name, r.Warnings)
	})
}

// patienceForWarnings is how long a submission waits for what a node has to
// say beforehand.
const patienceForWarnings = 5 * time.Second

// warn tells a person what a node would have looked at before records go in.
// It never keeps them from going in: what it can't learn it does not say.
func warn(c *cli.Context, client *node.Client, notes [][]byte, names []string) {
	ctx, cancel := context.WithTimeout(c.Context, patienceForWarnings)
	defer cancel()
	for lo := 0; lo < len(notes); lo += warnAtOnce {
		hi := min(lo+warnAtOnce, len(notes))
		ans, err := client.Check(ctx, notes[lo:hi]...)
		if err != nil {
			return
		}
		for i, r := range ans.Records {
			printWarnings(c.App.ErrWriter, names[lo+i], r.Warnings)
		}
	}
}

// warnAtOnce is how many records are asked about in one request.
const warnAtOnce = 64

func printWarnings(w io.Writer, name string, warnings []node.Warning) {
	for _, x := range warnings {
		fmt.Fprintf(w, "%s: warning: %s [%s]\n", name, x.Text, x.Code)
	}
}
