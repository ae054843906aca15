package node

import (
	"maps"
	"os"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/verify"
)

// gauges tells Prometheus how a node stands at the moment it asks.
// docs/watching.md says what each metric means and when to be told.
type gauges struct{ n *Node }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	buildDesc       = desc("milepost_build_info", "Always 1; the labels say which program this is.", "version", "go", "node")
	readyDesc       = desc("milepost_ready", "1 if records can be sent to this node, 0 if not.")
	notReadyDesc    = desc("milepost_not_ready", "1 for each reason why records can't be sent to this node, by error code.", "code")
	leaderDesc      = desc("milepost_leader", "1 if this node leads, 0 if not.")
	hasLeaderDesc   = desc("milepost_leader_known", "1 if this node knows who leads, 0 if not.")
	termDesc        = desc("milepost_raft_term", "Raft's term: it rises with every election.")
	appliedDesc     = desc("milepost_applied_index", "Newest ledger entry in this node's tree.")
	treeDesc        = desc("milepost_tree_size", "Leaves in this node's tree.")
	publishedDesc   = desc("milepost_published_size", "Leaves under the newest tree head with a quorum of cosignatures.")
	publishedAtDesc = desc("milepost_published_timestamp_seconds", "Unix time, in seconds, of the newest tree head with a quorum, as the quorum's clocks say.")
	waitDesc        = desc("milepost_quorum_wait_seconds", "For how many seconds the newest leaves have waited for a quorum; 0 if none wait.")
	lagDesc         = desc("milepost_lag_leaves", "Leaves under a published head of another node that this node's tree lacks.")
	quorumDesc      = desc("milepost_quorum_cosigners", "Cosignatures that a tree head needs.")
	cosignersDesc   = desc("milepost_policy_cosigners", "Cosigners that the policy in force counts.")
	toleratesDesc   = desc("milepost_tolerated_liars", "Lying cosigners that the policy in force tolerates.")
	levelDesc       = desc("milepost_feature_level", "Feature level of the log.")
	maxLevelDesc    = desc("milepost_feature_level_max", "Newest feature level that this program knows.")

	peerUpDesc     = desc("milepost_peer_up", "1 if the other node answered this one a moment ago, 0 if not.", "peer")
	peerLagDesc    = desc("milepost_peer_lag_leaves", "Leaves of this node's tree that the other node's lacked.", "peer")
	peerClockDesc  = desc("milepost_peer_clock_offset_seconds", "How many seconds the other node's clock is ahead of this one's; below 0 if it is behind.", "peer")
	peerSilentDesc = desc("milepost_peer_silent", "On the leader: 1 if the other node did not cosign the head that it was asked about last, by error code.", "peer", "code")

	keyDesc        = desc("milepost_node_key_registered", "1 if this node holds the key of this use that the log has in force for it, 0 if not.", "use")
	keyNextDesc    = desc("milepost_node_key_next", "1 if a key of this use waits to take the place of the present one, 0 if not.", "use")
	memberKeysDesc = desc("milepost_member_keys", "Keys of members that the log knows, by use and state: live, or why they were revoked.", "use", "state")

	diskFreeDesc = desc("milepost_disk_free_bytes", "Bytes free to this node in the file system of its data directory.")
	diskSizeDesc = desc("milepost_disk_size_bytes", "Size in bytes of the file system of the data directory.")
	diskMinDesc  = desc("milepost_disk_least_bytes", "Mark of free bytes below which this node takes no records; 0 for none.")
	diskFullDesc = desc("milepost_disk_short", "1 if this node takes no records because its disk is nearly full, 0 if not.")
	fileDesc     = desc("milepost_database_bytes", "Size in bytes of a database file of this node.", "file")
)

// Describe implements prometheus.Collector.
func (g gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildDesc, readyDesc, notReadyDesc, leaderDesc, hasLeaderDesc, termDesc, appliedDesc, treeDesc, publishedDesc, publishedAtDesc, waitDesc,
		lagDesc, quorumDesc, cosignersDesc, toleratesDesc, levelDesc, maxLevelDesc, peerUpDesc, peerLagDesc, peerClockDesc, peerSilentDesc,
		keyDesc, keyNextDesc, memberKeysDesc, diskFreeDesc, diskSizeDesc, diskMinDesc, diskFullDesc, fileDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector. It waits for no other node and does
// not measure the disk, both are looked at beside it; of files it asks only
// whether a next key is there.
func (g gauges) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	n := g.n
	s := n.Status()
	put(buildDesc, 1, Version, runtime.Version(), n.id)
	put(readyDesc, one(len(s.NotReady) == 0))
	for _, e := range s.NotReady {
		put(notReadyDesc, 1, e.Code)
	}
	put(leaderDesc, one(s.Role == "leader"))
	put(hasLeaderDesc, one(s.Leader != ""))
	put(termDesc, float64(s.Term))
	put(appliedDesc, float64(s.Applied))
	put(treeDesc, float64(s.TreeSize))
	put(publishedDesc, float64(s.Published))
	if h := n.heads.current(); h != nil {
		put(publishedAtDesc, float64(h.time.Unix()))
		h.view.Release()
	}
	put(waitDesc, n.waited().Seconds())
	most, _ := n.furthest()
	put(lagDesc, float64(most-min(most, s.TreeSize)))
	put(quorumDesc, float64(s.Quorum))
	put(cosignersDesc, float64(s.Cosigners))
	put(toleratesDesc, float64(s.Tolerates))
	put(levelDesc, float64(s.Level))
	put(maxLevelDesc, float64(s.Supports))
	n.sights.mu.Lock()
	seen := maps.Clone(n.sights.peers)
	n.sights.mu.Unlock()
	for id, p := range seen {
		put(peerUpDesc, one(p.err == nil), id)
		if p.err == nil {
			put(peerLagDesc, float64(p.behind), id)
			put(peerClockDesc, p.ahead.Seconds(), id)
		}
	}
	for _, c := range s.Silent {
		put(peerSilentDesc, 1, c.Node, c.Error.Code)
	}
	g.keys(put)
	if s.Disk.Size > 0 {
		put(diskFreeDesc, float64(s.Disk.Free))
		put(diskSizeDesc, float64(s.Disk.Size))
		put(diskMinDesc, float64(s.Disk.Least))
		put(diskFullDesc, one(s.Disk.Short))
	}
	for file, size := range s.Disk.files {
		put(fileDesc, float64(size), file)
	}
}

// keys tells of the node's own keys, and of all members' by number.
func (g gauges) keys(put func(*prometheus.Desc, float64, ...string)) {
	n := g.n
	ring, own := n.keys.Load(), n.nodesNow()[n.id]
	for _, use := range []string{keyfile.UseLog, keyfile.UseCosigner, keyfile.UseTLS} {
		held := false
		if own != nil {
			held = ring.has(use, map[string]string{
				keyfile.UseLog: own.Log.VKey, keyfile.UseCosigner: own.Cosigner.VKey, keyfile.UseTLS: own.TLS.VKey}[use])
		}
		put(keyDesc, one(held), use)
		_, err := os.Stat(n.cluster.NextKeyPath("node/"+n.id, use))
		put(keyNextDesc, one(err == nil), use)
	}
	type kind struct{ use, state string }
	count := map[kind]int{}
	n.state.withAuthority(func(a *verify.Authority) {
		for _, m := range a.Members {
			for _, k := range m.Keys {
				state := "live"
				if k.Revoked != nil {
					state = k.Revoked.Reason
				}
				count[kind{k.Use, state}]++
			}
		}
	})
	for k, v := range count {
		put(memberKeysDesc, float64(v), k.use, k.state)
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
