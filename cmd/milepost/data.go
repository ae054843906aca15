package main

import (
	"encoding/json"
	"fmt"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/record"
)

// dataCommands look after a node's data directory.
func dataCommands() []*cli.Command {
	own := &cli.StringFlag{Name: "node", EnvVars: []string{"MILEPOST_NODE"}, Usage: "which of the cluster's nodes: its `ID`"}
	return []*cli.Command{
		recoverCommand(own),
		{
			Name: "backup", Usage: "copy a node's data, consistent, while it runs or is stopped", ArgsUsage: "DIR",
			Description: "DIR must not exist yet, or be empty. A running node goes on; it is asked in its own name, with the TLS\n" +
				"key of the node, so the command runs where the node does. The copy holds raft.db, tree.db, heads.db and\n" +
				"manifest.json; it is read and checked whole before it appears under its name. It holds no keys: keep those\n" +
				"elsewhere, with cluster.toml and founding.json. While a backup is taken the node's files grow.\n" +
				"`milepost audit DIR` replays a backup, `milepost node check DIR` reads it once more.",
			Flags: []cli.Flag{configFlag, dirFlag, own, jsonFlag}, Action: nodeBackup,
		},
		{
			Name: "restore", Usage: "begin a new node from another node's backup", ArgsUsage: "BACKUP",
			Description: "Everything is verified before anything is put in place: the manifest, every hash, every page, every record's\n" +
				"signature and right, every root, and the tree head's quorum. The node's data directory must not exist yet, or\n" +
				"be empty. What the backup's node voted and cosigned stays behind; what came later the node fetches when it\n" +
				"starts. A node that is lost does not come back under its old id, for since the backup it may have voted and\n" +
				"cosigned: register a new one (docs/governance.md, Add a node) and restore under that.",
			Flags: []cli.Flag{configFlag, dirFlag, own, policyFlag, jsonFlag}, Action: nodeRestore,
		},
		{
			Name: "rebuild", Usage: "make tree.db anew from raft.db", ArgsUsage: "[DATA-DIR]",
			Description: "The node must be stopped. Every record is checked again, and the new tree must give the root of every head\n" +
				"that the node has cosigned. The old tree stays in its place until then, and is kept as tree.db.old.\n" +
				"Without DATA-DIR: that of --node in the cluster file.",
			Flags: []cli.Flag{configFlag, dirFlag, own, jsonFlag}, Action: nodeRebuild,
		},
		{
			Name: "check", Usage: "read everything in a data directory, a copy or a backup, and name what is damaged", ArgsUsage: "[DATA-DIR]",
			Description: "Every page is looked at, every hash computed anew from the ledger's bytes up to the roots of the cosigned heads.\n" +
				"Signatures and rights of records are for `milepost audit`. The node must be stopped; one that runs does the\n" +
				"same by itself, slowly (node run --scrub). Without DATA-DIR: that of --node in the cluster file.\n" +
				"Exit status: 0 all is well, 1 something is damaged, 2 the check could not be run.",
			Flags: []cli.Flag{configFlag, dirFlag, own, jsonFlag}, Action: nodeCheck,
		},
	}
}

// ownNode is the cluster and the node that --node names.
func ownNode(c *cli.Context) (*node.Cluster, string, error) {
	cl, err := loadCluster(c)
	if err != nil {
		return nil, "", err
	}
	if c.String("node") == "" {
		return nil, "", fault.New("usage", "--node", "which node?").WithHint("add --node ID, or set MILEPOST_NODE")
	}
	n, err := cl.Node(c.String("node"))
	if err != nil {
		return nil, "", err
	}
	return cl, n.ID, nil
}

// dataDir is the data directory that is named, or that of --node; id is ""
// where nobody has said whose it is.
func dataDir(c *cli.Context) (dir, id string, err error) {
	args, err := operands(c, 0, 1, "one data directory")
	if err != nil {
		return "", "", err
	}
	if len(args) == 1 {
		return args[0], c.String("node"), nil
	}
	cl, id, err := ownNode(c)
	if err != nil {
		return "", "", err
	}
	return cl.DataPath(id), id, nil
}

// bar draws progress on a terminal. The function that it returns may be nil;
// end is to be called in any case.
func bar(c *cli.Context) (progress func(doing string, done, total uint64), end func()) {
	if !isTerminal(c.App.ErrWriter) || c.Bool("json") {
		return nil, func() {}
	}
	b := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(c.App.ErrWriter), progressbar.OptionClearOnFinish())
	return func(doing string, done, total uint64) {
		b.Describe(doing)
		b.ChangeMax64(int64(total))
		b.Set64(int64(done))
	}, func() { b.Finish() }
}

// silent makes progress of one thing of progress that may be nil.
func silent(progress func(string, uint64, uint64), doing string) func(done, total uint64) {
	if progress == nil {
		return nil
	}
	return func(done, total uint64) { progress(doing, done, total) }
}

func nodeBackup(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one new directory")
	if err != nil {
		return err
	}
	cl, id, err := ownNode(c)
	if err != nil {
		return err
	}
	m, err := node.Backup(c.Context, node.BackupOptions{Cluster: cl, ID: id, Dir: args[0], Passphrase: passphrase(c), Now: clock})
	if err != nil {
		return err
	}
	out := c.App.Writer
	if c.Bool("json") {
		return json.NewEncoder(out).Encode(m)
	}
	total := int64(0)
	for _, f := range m.Files {
		total += f.Size
	}
	fmt.Fprintf(out, "Backup of node %s in %s, %d bytes, checked.\n", m.Node, args[0], total)
	fmt.Fprintf(out, "Log: %s\nFingerprint: %s\n", m.Origin, record.Fingerprint(m.Origin))
	fmt.Fprintf(out, "Tree size %d, root %s, up to ledger entry %d.\n", m.TreeSize, m.Root, m.Applied)
	return nil
}

func nodeRestore(c *cli.Context) error {
	args, err := operands(c, 1, 1, "one backup")
	if err != nil {
		return err
	}
	cl, id, err := ownNode(c)
	if err != nil {
		return err
	}
	opt := node.RestoreOptions{Cluster: cl, ID: id, Backup: args[0], Now: clock()}
	if c.String("policy") != "" {
		if opt.Policy, err = loadPolicy(c); err != nil {
			return err
		}
	}
	progress, end := bar(c)
	defer end()
	opt.Progress = progress
	rep, err := node.Restore(c.Context, opt)
	if err != nil {
		if fault.Code(err) == "restore_wrong" {
			return refusal{err}
		}
		return err
	}
	end()
	out := c.App.Writer
	if c.Bool("json") {
		return json.NewEncoder(out).Encode(rep)
	}
	fmt.Fprintf(out, "Node %s begins with %d records under %d seals, replayed and found right: tree size %d, root %s.\n", id, rep.Records, rep.Seals, rep.Size, rep.Root)
	fmt.Fprintf(out, "Log: %s\nFingerprint: %s\n", rep.Origin, record.Fingerprint(rep.Origin))
	fmt.Fprintf(out, "Start it: milepost node run --node %s. What came later it fetches from the others, once the governors have registered it.\n", id)
	return nil
}

func nodeRebuild(c *cli.Context) error {
	dir, id, err := dataDir(c)
	if err != nil {
		return err
	}
	progress, end := bar(c)
	defer end()
	rep, err := node.Rebuild(c.Context, dir, silent(progress, "replaying"))
	if err != nil {
		if fault.Code(err) == "rebuild_differs" {
			return refusal{err}
		}
		return err
	}
	end()
	// The damage that the node stopped for is gone if nothing else is wrong.
	check, err := node.Check(c.Context, dir, node.CheckOptions{Node: id, Progress: silent(progress, "checking")})
	if err != nil {
		return err
	}
	out := c.App.Writer
	if c.Bool("json") {
		if err := json.NewEncoder(out).Encode(rep); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "tree.db is made anew from %d ledger entries: tree size %d, root %s; %d kept heads fit it.\n", rep.Entries, rep.Size, rep.Root, rep.Heads)
		if rep.Aside != "" {
			fmt.Fprintf(out, "The old one is %s; delete it when the node runs.\n", rep.Aside)
		}
	}
	if len(check.Damage) > 0 {
		for _, d := range check.Damage {
			fmt.Fprintf(c.App.ErrWriter, "milepost: %s\n", d)
		}
		return refusal{errShown}
	}
	_, err = node.ClearDamage(dir)
	return err
}

func nodeCheck(c *cli.Context) error {
	dir, id, err := dataDir(c)
	if err != nil {
		return err
	}
	progress, end := bar(c)
	defer end()
	rep, err := node.Check(c.Context, dir, node.CheckOptions{Node: id, Progress: silent(progress, "checking")})
	if err != nil {
		return err
	}
	end()
	out := c.App.Writer
	if c.Bool("json") {
		if err := json.NewEncoder(out).Encode(rep); err != nil {
			return err
		}
	} else {
		if len(rep.Damage) == 0 {
			fmt.Fprintf(out, "ALL IS WELL in %s\n", dir)
		} else {
			fmt.Fprintf(out, "DAMAGED: %s\n", dir)
			for _, d := range rep.Damage {
				fmt.Fprintf(out, "  %s\n", d)
			}
			for _, hint := range node.Advice(rep.Damage) {
				fmt.Fprintf(out, "  hint: %s\n", hint)
			}
		}
		fmt.Fprintf(out, "Read %d ledger entries, %d records under %d seals, %d histories, %d cosigned heads.\n", rep.Entries, rep.Records, rep.Seals, rep.Histories, rep.Heads)
		if rep.Root != "" {
			fmt.Fprintf(out, "Tree size %d, root %s.\n", rep.Size, rep.Root)
		}
	}
	if len(rep.Damage) > 0 {
		return refusal{errShown}
	}
	cleared, err := node.ClearDamage(dir)
	if cleared {
		fmt.Fprintln(c.App.ErrWriter, "milepost: the node had stopped for damage that is not there any more; it can be started again")
	}
	return err
}
