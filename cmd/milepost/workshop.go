package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/outbox"
)

// workshopFlags are those of node run that concern workshop systems which
// can't sign.
func workshopFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "workshop", EnvVars: []string{"MILEPOST_WORKSHOP"},
			Usage: "sign and send for workshop systems on this machine, at an `ADDRESS` of loopback such as 127.0.0.1:7480"},
		&cli.StringFlag{Name: "watch-folder", EnvVars: []string{"MILEPOST_WATCH_FOLDER"},
			Usage: "sign and send the unsigned records, NAME.json, that are dropped into `DIR`"},
		outboxFlag,
		&cli.StringFlag{Name: "record-key", Usage: "the record key `FILE` to sign with, instead of the cluster directory's"},
	}
}

// workshopTokenFile is below the cluster's directory.
const workshopTokenFile = "workshop.token"

// workshopConfig is what node run needs to sign for workshop systems of the
// node's member; nil if it is not asked to.
func workshopConfig(c *cli.Context, cl *node.Cluster, id string, logger *slog.Logger) (*outbox.WorkshopConfig, error) {
	address, folder := c.String("workshop"), c.String("watch-folder")
	if address == "" && folder == "" {
		return nil, nil
	}
	entry, err := cl.Node(id)
	if err != nil {
		return nil, err
	}
	key := &keyOnDisk{path: c.String("record-key"), member: entry.Member, passphrase: passphrase(c)}
	if key.path == "" {
		key.path = cl.KeyPath(entry.Member, keyfile.UseRecord)
	}
	if _, err := key.signer(); err != nil { // before anything is opened
		return nil, err
	}
	box, err := outboxOf(c, cl, entry.Member)
	if err != nil {
		return nil, err
	}
	cfg := &outbox.WorkshopConfig{
		Signer: key.signer, Origin: box.Origin, Member: entry.Member, Zone: zoneOf(cl, entry.Member), Now: clock, Logger: logger, Folder: folder,
	}
	if address != "" {
		if cfg.Token, err = outbox.ReadToken(cl.Path(workshopTokenFile)); err != nil {
			return nil, err
		}
		if cfg.Listener, err = outbox.Listen(address); err != nil {
			return nil, err
		}
	}
	cfg.Queue, err = outbox.Create(box)
	return cfg, err
}

// startWorkshop runs it beside a node; cfg may be nil. ended gets why it ended
// by itself, and wait returns when it has ended after ctx.
func startWorkshop(ctx context.Context, c *cli.Context, cfg *outbox.WorkshopConfig, n *node.Node) (ended <-chan error, wait func(), err error) {
	if cfg == nil {
		return nil, func() {}, nil
	}
	cfg.Log = n
	w, err := outbox.NewWorkshop(*cfg)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Listener != nil {
		fmt.Fprintf(c.App.Writer, "workshop systems: http://%s/v1/sign\n", cfg.Listener.Addr())
	}
	failed, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			failed <- err
		}
	}()
	return failed, func() { <-done }, nil
}

// keyOnDisk is a key file that is read again when it has changed: a rotation
// puts another one in its place.
type keyOnDisk struct {
	path, member string
	passphrase   func() ([]byte, error)

	mu   sync.Mutex
	read os.FileInfo // of the file when it was read
	key  certs.Signer
}

func (k *keyOnDisk) signer() (certs.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	info, err := os.Stat(k.path)
	if err == nil && k.key != nil && os.SameFile(info, k.read) && info.ModTime().Equal(k.read.ModTime()) && info.Size() == k.read.Size() {
		return k.key, nil
	}
	file, err := keyfile.ReadKeyFile(k.path, k.passphrase)
	if err != nil {
		return nil, err
	}
	if file.Use != keyfile.UseRecord || file.Name != k.member {
		return nil, fault.New("key_use", k.path, fmt.Sprintf("it is the %s key of %s, not the record key of %s", file.Use, file.Name, k.member)).
			WithHint("name the record key with --record-key FILE")
	}
	if k.key, err = file.Signer(); err != nil {
		k.key = nil
	}
	k.read = info
	return k.key, err
}
