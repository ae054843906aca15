package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// maxBulk is how many records one submission takes.
const maxBulk = 2000

// maxVehicles is how long a list of vehicles may be, in bytes.
const maxVehicles = 16 << 20

// vehiclesOf reads a list of vehicles, a VIN a line.
func vehiclesOf(path string) (subjects []string, err error) {
	data, err := readCapped(path, maxVehicles)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, line := range strings.Split(string(data), "\n") {
		vin := strings.TrimSpace(line)
		if vin == "" || strings.HasPrefix(vin, "#") {
			continue
		}
		at := fmt.Sprintf("%s, line %d", path, i+1)
		subject, err := record.ParseVehicle(vin)
		if err != nil {
			return nil, fault.New(fault.Code(err), at, err.Error()).WithHint(fault.Hint(err))
		}
		if seen[subject] {
			return nil, fault.New("usage", at, vin+" stands there twice")
		}
		seen[subject] = true
		subjects = append(subjects, subject)
	}
	if len(subjects) == 0 {
		return nil, fault.New("usage", path, "there is no VIN in it").WithHint("it holds a VIN a line")
	}
	return subjects, nil
}

// many makes the same record for each vehicle of a list, signed and kept in a
// directory, before any is sent: a second run sends the same bytes again.
func (n *newDraft) many(c *cli.Context, signer certs.Signer, out *sending) error {
	for _, flag := range []string{"vehicle", "case", "opening"} {
		if c.String(flag) != "" {
			return fault.New("usage", "--"+flag, "it does not go with --vehicles")
		}
	}
	for _, flag := range []string{"attach", "personal", "ref", "subject"} {
		if len(c.StringSlice(flag)) > 0 {
			return fault.New("usage", "--"+flag, "it does not go with --vehicles: each record has its own")
		}
	}
	dir := c.String("o")
	if dir == "" || dir == "-" {
		return fault.New("usage", "-o", "where are the records to be kept?").WithHint("name a directory with -o: it gets a signed record for each vehicle")
	}
	subjects, err := vehiclesOf(c.String("vehicles"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.New("file", dir, err.Error())
	}
	var notes [][]byte
	var names []string
	for _, subject := range subjects {
		path := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(subject, "vehicle/"), "/", "_")+".record")
		note, err := n.kept(c, signer, subject, path)
		if err != nil {
			return err
		}
		notes, names = append(notes, note), append(names, path)
	}
	if out == nil {
		fmt.Fprintf(c.App.Writer, "%s: %d signed records; `milepost record submit %s/*.record` sends them\n", dir, len(notes), dir)
		return nil
	}
	return sendMany(c, out.session.client, notes, names)
}

// kept is the record for one vehicle, as the file has it, or made anew.
func (n *newDraft) kept(c *cli.Context, signer certs.Signer, subject, path string) ([]byte, error) {
	note, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, fault.New("file", path, err.Error())
		}
		r, err := record.Open(note)
		if err != nil || r.Type != n.def.Name || r.Vehicle() != subject || !bytes.Equal(r.Body.Bytes(), n.draft.Body.Bytes()) {
			return nil, fault.New("usage", path, "this file is another record than the one that is made here").WithHint("name another directory with -o")
		}
		return note, nil
	}
	n.vehicle = subject
	if n.draft.ID, err = record.NewUUIDv7(clock(), rand.Reader); err != nil {
		return nil, err
	}
	text, err := n.text()
	if err != nil {
		return nil, n.hinted(err)
	}
	if note, err = record.Sign(text, signer); err != nil {
		return nil, err
	}
	return note, write(c, path, note)
}

// sendMany sends records, as many at a time as a node takes, tells of those
// that were refused, and counts the rest.
func sendMany(c *cli.Context, client *node.Client, notes [][]byte, names []string) error {
	count := map[string]int{}
	for from := 0; from < len(notes); from += maxBulk {
		to := min(from+maxBulk, len(notes))
		ans, err := submit(c, client, notes[from:to])
		if err != nil {
			return err
		}
		for i, r := range ans.Records {
			count[r.Status]++
			if r.Error != nil {
				fmt.Fprintf(c.App.Writer, "%s: refused: %s [%s]\n", names[from+i], r.Error.Error, r.Error.Code)
			}
		}
	}
	fmt.Fprintf(c.App.Writer, "%d acknowledged, %d already on the log, %d refused\n", count["accepted"], count["present"], count["refused"])
	if count["refused"] > 0 {
		return refusal{errShown}
	}
	return nil
}
