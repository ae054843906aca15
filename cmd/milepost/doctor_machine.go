package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
)

// What a doctor warns of.
const (
	syncSlow = 20 * time.Millisecond  // a write waits for two or three of these
	syncBad  = 200 * time.Millisecond // elections begin to fail
	skewSlow = 2 * time.Second
	skewBad  = 2 * time.Minute // a leader proposes nothing beyond it
)

// checkDisk looks at the room and at how fast a write is safe.
func (d *doctor) checkDisk() {
	data := d.cl.DataPath(d.id)
	dir := existing(data)
	if info, err := os.Stat(data); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.say(stateWarning, "disk", "chmod 700 "+data, "others can read %s", data)
	}
	switch free, size, err := node.Room(dir); {
	case err != nil:
		d.say(stateWarning, "disk", "", "how much room there is in %s can't be told: %v", dir, err)
	case free < roomLeast:
		d.say(stateWrong, "disk", "make room: a node whose disk is full stops", "%s are free in %s", bytesWords(free), dir)
	case free*100 < size*roomWorth:
		d.say(stateWarning, "disk", "make room, or give it a larger disk", "%s of %s are free in %s", bytesWords(free), bytesWords(size), dir)
	default:
		d.ok("disk", "%s of %s are free in %s", bytesWords(free), bytesWords(size), dir)
	}
	each, err := syncTime(dir)
	do := "use a local disk (SSD) for the data directory, and nothing else that syncs much beside it"
	switch {
	case err != nil:
		d.say(stateWrong, "disk", "the node's user must be able to write there", "nothing can be written to %s: %v", dir, err)
	case each > syncBad:
		d.say(stateWrong, "disk", do, "a synced write takes %s: too slow to lead", each.Round(time.Millisecond))
	case each > syncSlow:
		d.say(stateWarning, "disk", do, "a synced write takes %s", each.Round(time.Millisecond))
	default:
		d.ok("disk", "a synced write takes %.1f ms", float64(each.Microseconds())/1000)
	}
}

// syncTime is the median time of a small write that is safe on disk.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".milepost-doctor-*")
	if err != nil {
		return 0, bare(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var times []time.Duration
	page := bytes.Repeat([]byte("milepost"), 512)
	for range 9 {
		start := time.Now()
		if _, err = f.WriteAt(page, 0); err == nil {
			err = f.Sync()
		}
		if err != nil {
			return 0, bare(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// bare drops operation and path from an error that is shown beside them.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// checkPort sees whether the node's port is free, or the node itself listens.
func (d *doctor) checkPort() {
	entry, err := d.cl.Node(d.id)
	if err != nil {
		return
	}
	listen := entry.Listen
	if listen == "" {
		listen = entry.Address
	}
	l, err := net.Listen("tcp", listen)
	if err == nil {
		l.Close()
		d.say(stateWarning, "port", "`milepost node run --node "+d.id+"` starts it", "%s is free: the node is not running", listen)
		return
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		d.say(stateWrong, "port", "is it an address of this machine? If the others reach it by another one, set listen in its [[node]]", "%s can't be listened on: %v", listen, errors.Unwrap(err))
		return
	}
	client, err := d.ownClient(listen)
	if err == nil {
		ctx, cancel := context.WithTimeout(d.c.Context, statusTimeout)
		defer cancel()
		_, err = client.Get(ctx, "/healthz")
	}
	switch fault.Code(err) {
	case "wrong_server_key":
		d.say(stateWrong, "port", "stop it, or choose another port", "%s answers with another key than this node's", listen)
	default:
		if err != nil {
			d.say(stateWrong, "port", "stop the program that listens there, or choose another port", "%s is taken, and not by this node: %v", listen, err)
			return
		}
		d.ok("port", "the node listens on %s", listen)
		if err := d.ready(client); err != nil {
			d.say(stateWarning, "port", fault.Hint(err), "the node takes no records: %v [%s]", err, fault.Code(err))
		}
	}
}

func (d *doctor) ready(client *node.Client) error {
	_, err := client.Get(d.c.Context, "/readyz")
	return err
}

// ownClient speaks to the node of this machine by its own key, the one in
// force or, where no node could be asked, that of the file.
func (d *doctor) ownClient(listen string) (*node.Client, error) {
	k, err := keyfile.ReadKeyFile(d.cl.KeyPath("node/"+d.id, keyfile.UseTLS), passphrase(d.c))
	if err != nil {
		return nil, err
	}
	identity, err := k.TLS()
	if err != nil {
		return nil, err
	}
	pin := identity.Pin()
	if now := d.keysNow()[keyfile.UseTLS]; now != "" {
		pin = now
	}
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		listen = net.JoinHostPort("localhost", port)
	}
	return node.NewClient(listen, pin, identity, nil), err
}

// checkPeers looks at the other nodes: whether they answer with the right
// key, are of the same log, have the same tree, and what time it is there.
func (d *doctor) checkPeers() {
	nodes := d.others()
	var heads []*publishedHead
	var names []string
	var ahead []time.Duration
	told := false
	for _, n := range nodes {
		if n.id == d.id || n.client == nil {
			if n.id != d.id && n.state == "unreachable" {
				d.fails("peer", fmt.Errorf("%s: %w", n.id, n.why))
			}
			continue
		}
		ctx, cancel := context.WithTimeout(d.c.Context, statusTimeout)
		off, err := n.client.Ahead(ctx, clock)
		cancel()
		if err != nil {
			d.say(stateWrong, "peer", fault.Hint(err), "%s can't be reached: %s [%s]", n.id, shortly(err), fault.Code(err))
			continue
		}
		ahead = append(ahead, off)
		st, err := n.client.Status(d.c.Context)
		if err == nil && !told {
			d.checkVersion(st, n.id)
			told = true
		}
		h, err := fetchHead(d.c.Context, n.client)
		switch {
		case err != nil:
			d.say(stateWarning, "peer", fault.Hint(err), "%s answers, and shows no tree head: %v", n.id, err)
		case h.Origin != d.founding.Origin:
			d.say(stateWrong, "peer", "compare the founding files", "%s is a node of another log: %s", n.id, h.Origin)
		default:
			d.ok("peer", "%s answers with the right key; its head is of %d leaves", n.id, h.Size)
			heads, names = append(heads, h), append(names, n.id)
		}
	}
	d.checkClock(ahead)
	d.checkTree(heads, names)
}

// others lists the nodes to ask, with the keys of now where a node that
// answers knows them.
func (d *doctor) others() []statusNode {
	var as *certs.TLSIdentity
	if d.met != nil {
		as = d.met.client.Identity()
	}
	return nodesOf(d.cl, d.met, d.now, func(id string) (*node.Client, error) { return d.cl.ClientAs(id, as) })
}

func (d *doctor) checkClock(ahead []time.Duration) {
	if len(ahead) == 0 {
		d.say(stateWarning, "clock", "ask again when nodes can be reached", "there is no node to compare the clock with")
		return
	}
	slices.Sort(ahead)
	off := -(ahead[len(ahead)/2] + ahead[(len(ahead)-1)/2]) / 2 // of this machine, from the median of the others
	says := fmt.Sprintf("%+.1f s off the median of %d other nodes", off.Seconds(), len(ahead))
	switch do := "let a time service (chrony, systemd-timesyncd, ntpd) set the clock"; {
	case off.Abs() > skewBad:
		d.say(stateWrong, "clock", do, "%s: a node with this clock can't lead", says)
	case off.Abs() > skewSlow:
		d.say(stateWarning, "clock", do, "%s", says)
	default:
		d.ok("clock", "%s", says)
	}
}

// checkTree computes each node's root at the smallest size that all publish.
func (d *doctor) checkTree(heads []*publishedHead, names []string) {
	if len(heads) < 2 {
		return
	}
	size := heads[0].Size
	for _, h := range heads {
		size = min(size, h.Size)
	}
	roots := map[[32]byte][]string{}
	for i, h := range heads {
		root, err := h.rootAt(d.c.Context, size)
		if err != nil {
			d.say(stateWarning, "tree", fault.Hint(err), "the tree of %s can't be compared: %v", names[i], err)
			continue
		}
		roots[root] = append(roots[root], names[i])
	}
	if len(roots) > 1 {
		d.say(stateWrong, "tree", "stop and read docs/threat-model.md: keep the heads, they are evidence", "the nodes have different trees at size %d: %v", size, roots)
		return
	}
	for _, same := range roots {
		if len(same) > 1 {
			d.ok("tree", "%d nodes have the same tree at size %d", len(same), size)
		}
	}
}
