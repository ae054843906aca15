package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/milepost-log/milepost/certs/fault"
)

// DefaultMinFree is the low-water mark of a node's disk, in bytes, unless
// Config says otherwise.
const DefaultMinFree = 256 << 20

// What stands between a node and a full disk. Below the mark it takes no
// records itself and hands leadership over. It still stores what the leader
// sends, for records that others need, and the leader, which hears of it, takes
// none either where too few have room: so the mark must be room for what comes
// until it does. With a quarter more than the mark the node goes on by itself.
//
// A disk that fills up all the same, by other programs, ends the node
// (disk_full), and nothing that it has stored is lost.
const roomEvery = time.Second // between two looks at the disk

// keepRoom looks at the disk until ctx ends, and has another node lead while
// there is too little room.
func (n *Node) keepRoom(ctx context.Context) {
	tick := time.NewTicker(n.roomEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.lookForRoom()
		if n.disk.Load().Short && n.leads() {
			n.makeWay(ctx)
		}
	}
}

// lookForRoom measures the disk and decides whether records are taken.
func (n *Node) lookForRoom() {
	last, d := n.disk.Load(), n.measureDisk()
	if n.minFree > 0 && d.Size > 0 {
		d.Least = uint64(n.minFree)
		was := last != nil && last.Short
		d.Short = d.Free < d.Least || was && d.Free < d.Least+d.Least/4
		switch {
		case d.Short && !was:
			n.log.Error("the disk is nearly full: no records are taken", "free", d.Free, "least", d.Least)
		case was && !d.Short:
			n.log.Info("there is room on the disk again", "free", d.Free, "least", d.Least)
		}
	}
	n.disk.Store(d)
	n.noRoom.Store(n.shortage())
}

// roomErr says why this node takes no records for want of room on disks; nil
// if it does.
func (n *Node) roomErr() error {
	if err := n.noRoom.Load(); err != nil {
		return err
	}
	return nil
}

// shortage is about this node's own disk, or, on the leader, about so many of
// the others' that what it proposed would find no majority or no quorum.
func (n *Node) shortage() *fault.Error {
	if d := n.disk.Load(); d.Short {
		return fault.New("disk_full", "", fmt.Sprintf("%d MiB are free on the disk of node %s, which takes records while there are %d", d.Free>>20, n.id, d.Least>>20)).
			WithHint("free space there: the node goes on by itself; meanwhile send to another node")
	}
	r := n.currentRaft()
	if r == nil || r.State() != raft.Leader {
		return nil
	}
	var short []string
	able := map[string]bool{n.id: true} // to store what is proposed, and to cosign it
	for _, p := range n.peers() {
		s, ok := n.sightOf(p.id)
		switch {
		case !ok || s.err != nil:
		case s.status.Disk.Short:
			short = append(short, p.id)
		default:
			able[p.id] = true
		}
	}
	if len(short) == 0 {
		return nil // who is down for other reasons shows elsewhere
	}
	voters, left := 0, 0
	for _, srv := range r.GetConfiguration().Configuration().Servers {
		if srv.Suffrage == raft.Voter {
			voters++
			left += int(one(able[string(srv.ID)]))
		}
	}
	if left > voters/2 && len(able) >= n.policy().Quorum() {
		return nil
	}
	return fault.New("disk_full", "", fmt.Sprintf("too few nodes have room on their disks: there is none at %s", strings.Join(short, ", "))).
		WithHint("free space there: the cluster goes on by itself")
}

// makeWay hands leadership to the voter with room that has most of the log.
// Where none has room it stays: the others could do no better.
func (n *Node) makeWay(ctx context.Context) {
	r := n.currentRaft()
	if r == nil {
		return
	}
	var to raft.Server
	var size uint64
	for _, srv := range r.GetConfiguration().Configuration().Servers {
		s, ok := n.sightOf(string(srv.ID))
		if srv.Suffrage != raft.Voter || !ok || s.err != nil || s.status.Disk.Short {
			continue
		}
		if to.ID == "" || s.status.TreeSize > size {
			to, size = srv, s.status.TreeSize
		}
	}
	if to.ID == "" {
		return
	}
	n.awaitTransfer(ctx, r.LeadershipTransferToServer(to.ID, to.Address))
}

// databases are the files of a data directory that grow with the log.
var databases = []string{ledgerFile, treeFile, headsFile}

func (n *Node) measureDisk() *Disk {
	defer n.watchdog.begin("statfs")()
	d := &Disk{files: map[string]uint64{}}
	d.Free, d.Size, _ = n.measure(n.dir)
	for _, name := range databases {
		if info, err := os.Stat(filepath.Join(n.dir, name)); err == nil {
			d.files[name] = uint64(info.Size())
			d.Used += uint64(info.Size())
		}
	}
	return d
}
