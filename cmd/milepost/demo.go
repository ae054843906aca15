package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/cmd/milepost/sample"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
	"github.com/milepost-log/milepost/record"
	"github.com/milepost-log/milepost/record/importer"
	"github.com/milepost-log/milepost/record/jcs"
	"github.com/milepost-log/milepost/verify"
	"github.com/milepost-log/milepost/verify/render"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "four nodes in this process, real readings, a proof, an offline check, three forgeries caught",
		Flags: []cli.Flag{&cli.StringFlag{Name: "dir", Value: "demo", Usage: "the `DIR`ectory to leave everything in; an earlier demo there is replaced"}},
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, "no arguments"); err != nil {
				return err
			}
			d := &demo{out: c.App.Writer, dir: filepath.Clean(c.String("dir")), started: time.Now()}
			return d.run(c.Context)
		},
	}
}

// demo is one demonstration: a story of four steps.
type demo struct {
	out     io.Writer
	dir     string
	started time.Time
	cluster *embed.Cluster
	car     sample.Series
	old     []byte // the car's proof file before its last reading
	file    []byte
}

// demoMark tells a directory of an earlier demo from somebody's files.
const demoMark = ".milepost-demo"

func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	defer func() {
		if d.cluster != nil {
			d.cluster.Stop()
		}
	}()
	for _, step := range []func(context.Context) error{d.start, d.load, d.prove} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.cluster.Stop()
	if err := d.check(); err != nil {
		return err
	}
	return d.forge()
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) prepare() error {
	if entries, err := os.ReadDir(d.dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(d.dir, demoMark)); err != nil {
			return fault.New("dir_not_empty", d.dir, "the directory holds something else than an earlier demo").WithHint("name another one with --dir")
		}
		if err := os.RemoveAll(d.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fault.New("file", d.dir, "the directory cannot be made").Because(errors.Unwrap(err))
	}
	return os.WriteFile(filepath.Join(d.dir, demoMark), nil, 0o644)
}

func (d *demo) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var err error
	d.cluster, err = embed.Start(ctx, embed.Config{Dir: d.dir, LastWord: writeCluster(d.dir, embed.Example)})
	if err != nil {
		return err
	}
	leader := d.cluster.Nodes[d.cluster.IDs()[0]]
	d.say("1. Four firms found a log: two dealers and an inspection body vote, an insurer only cosigns.")
	d.say("   Every node is up over TLS; a tree head counts when three of the four nodes have signed it.")
	d.say("   Fingerprint of the log: %s", record.Fingerprint(leader.Origin()))
	return nil
}

// writeCluster leaves a cluster file in dir with the ports that were free.
func writeCluster(dir, text string) func(*node.Cluster) {
	return func(c *node.Cluster) {
		own := strings.Replace(text, `dir = "cluster"`, `dir = "."`, 1)
		given, err := node.ParseCluster([]byte(text))
		if err != nil {
			return // which the founding will say
		}
		for i, n := range given.Nodes {
			own = strings.Replace(own, n.Address, c.Nodes[i].Address, 1)
		}
		os.WriteFile(filepath.Join(dir, "cluster.toml"), []byte(own), 0o644)
	}
}

// load signs and submits the real series: the British ones by the inspection
// body, the American one by a dealer, each through another firm's node.
func (d *demo) load(ctx context.Context) error {
	series, err := sample.All()
	if err != nil {
		return err
	}
	total := 0
	for i, s := range series {
		author, through := "inspection.example/leeds", "turin"
		if strings.HasPrefix(s.Zone, "America/") {
			author, through = "dealer.example/lyon", "mutual"
		}
		notes, err := d.sign(s, author)
		if err != nil {
			return err
		}
		client, err := d.cluster.Client(through, author)
		if err != nil {
			return err
		}
		defer client.Close()
		last := len(notes)
		if i == 0 {
			d.car, last = s, last-1
		}
		if err := send(ctx, client, notes[:last]); err != nil {
			return err
		}
		if i == 0 { // an older state of the first car, for the third forgery
			if d.old, err = client.Proof(ctx, record.VehicleSubject(string(s.VIN))); err != nil {
				return err
			}
			if err := send(ctx, client, notes[last:]); err != nil {
				return err
			}
		}
		total += len(notes)
	}
	d.say("2. %d signed records of %d real cars go in (DVSA, OGL v3; corynissen/my-mpg, MIT), each", total, len(series))
	d.say("   through another firm's node: on a majority of disks and cosigned by the quorum before the answer.")
	return nil
}

func send(ctx context.Context, client *node.Client, notes [][]byte) error {
	ans, err := client.Submit(ctx, notes...)
	if err != nil {
		return err
	}
	for _, r := range ans.Records {
		if r.Error != nil {
			return fault.New(r.Error.Code, "", r.Error.Error)
		}
	}
	return nil
}

func (d *demo) sign(s sample.Series, author string) ([][]byte, error) {
	signer, err := d.cluster.Signer(author)
	if err != nil {
		return nil, err
	}
	now := record.FormatUTC(time.Now())
	draft := s.Readings[0].Record()
	draft.ID = importer.StableID(author, s.Readings[0], 0)
	draft.Type = "vehicle.created/1"
	draft.Body = jcs.Make(jcs.Field{Name: "imported", Value: jcs.Boolean(false)},
		jcs.Field{Name: "make", Value: jcs.Text(s.Make)}, jcs.Field{Name: "model", Value: jcs.Text(s.Model)})
	drafts := []record.Draft{draft}
	for _, r := range s.Readings {
		r.ID = importer.StableID(author, r, 1)
		drafts = append(drafts, r.Record())
	}
	var notes [][]byte
	for _, dr := range drafts {
		dr.Author, dr.Origin, dr.Captured = author, d.cluster.Nodes["lyon"].Origin(), now
		text, err := dr.Text()
		if err != nil {
			return nil, err
		}
		note, err := record.Sign(text, signer)
		if err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	return notes, nil
}

func (d *demo) prove(ctx context.Context) error {
	client, err := d.cluster.Client("leeds", "inspection.example/leeds")
	if err != nil {
		return err
	}
	defer client.Close()
	if d.file, err = client.Proof(ctx, record.VehicleSubject(string(d.car.VIN))); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("car.mileproof"), d.file, 0o644); err != nil {
		return err
	}
	d.say("3. One file, %s (%d kB), proves the whole history of %s.", d.path("car.mileproof"), len(d.file)/1024, d.car.VIN)
	d.say("   Now all nodes are stopped: what follows needs that file and %s, nothing else.", d.path("trust.policy"))
	d.say("")
	return nil
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) verify(data []byte) (*verify.Report, error) {
	policy, err := d.cluster.Policy()
	if err != nil {
		return nil, err
	}
	return verify.Verify(data, verify.Options{Policy: policy, Now: time.Now(), Subject: record.VehicleSubject(string(d.car.VIN))}), nil
}

func (d *demo) check() error {
	rep, err := d.verify(d.file)
	if err != nil {
		return err
	}
	if !rep.Verified {
		return fmt.Errorf("the proof file does not verify: %w", rep.Failure)
	}
	d.say("   VERIFIED: all %d records up to tree size %d, none left out; %d of %d signed, tolerates %d liar.", rep.Records, rep.Head.Size, rep.Head.Signed, rep.Head.Of, rep.Tolerates)
	for line := range strings.Lines(render.Timeline(rep.Results, nil, render.AsEntered)) {
		d.say(" %s", strings.TrimSuffix(line, "\n"))
	}
	d.say("")
	return nil
}

// forge doctors the file in three ways; each must be caught.
func (d *demo) forge() error {
	d.say("4. Now we cheat.")
	subject := record.VehicleSubject(string(d.car.VIN))
	last := d.car.Readings[len(d.car.Readings)-1].Value
	lower := last - 20_000
	for _, f := range []struct {
		what string
		do   func(*verify.File) error
	}{
		{fmt.Sprintf("The last mileage becomes %s instead of %s.", record.Thousands(lower), record.Thousands(last)), func(f *verify.File) error {
			h := f.History(subject)
			e := &h.Entries[len(h.Entries)-1]
			e.Note = []byte(strings.Replace(string(e.Note), fmt.Sprintf(`"value":%d`, last), fmt.Sprintf(`"value":%d`, lower), 1))
			return nil
		}},
		{"One record is dropped from the middle.", func(f *verify.File) error {
			h := f.History(subject)
			h.Entries = append(h.Entries[:5:5], h.Entries[6:]...)
			return nil
		}},
		{"The last record is dropped, and an old, genuine tree head swapped in for the present one.", func(f *verify.File) error {
			old, err := verify.ParseFile(d.old)
			if err != nil {
				return err
			}
			h := f.History(subject)
			h.Entries = h.Entries[:len(h.Entries)-1]
			f.TLogProof = old.TLogProof
			return nil
		}},
	} {
		file, err := verify.ParseFile(d.file)
		if err != nil {
			return err
		}
		if err := f.do(file); err != nil {
			return err
		}
		rep, err := d.verify(file.Bytes())
		if err != nil {
			return err
		}
		if rep.Verified {
			return fmt.Errorf("a forgery passed: %s", f.what)
		}
		d.say("   %s", f.what)
		var why *fault.Error
		if !errors.As(rep.Failure, &why) {
			return rep.Failure
		}
		d.say("     CAUGHT: %s", why.What)
		if why.Hint != "" {
			d.say("             %s", strings.SplitN(why.Hint, " (key ", 2)[0])
		}
	}
	d.say("")
	d.say("All is in %s/. Next, try to cheat yourself, and look into a node's ledger:", d.dir)
	d.say("   milepost verify %s --policy %s --vin %s", d.path("car.mileproof"), d.path("trust.policy"), d.car.VIN)
	d.say("   milepost audit %s --policy %s", d.path("data/lyon"), d.path("trust.policy"))
	d.say("(%.1f s)", time.Since(d.started).Seconds())
	return nil
}
