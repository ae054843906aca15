package node_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/milepost-log/milepost/node"
)

// A node's disk goes back to an earlier day under it: its heads alone, all of
// it, or by a meta page that is not whole, of which it warns. It has forgotten
// what it cosigned since. It goes on, and at the sizes that it has forgotten it
// signs again what its tree gives, and nothing else.
func TestADiskThatGoesBack(t *testing.T) {
	t.Parallel()
	c := startCluster(t, nil)
	dir := c.Cluster.Cluster.DataPath("lyon")
	all := []string{"raft.db", "tree.db", "heads.db"}
	for _, s := range []struct {
		name string
		back func(kept string)
		says string
	}{
		{"its heads", func(kept string) { copyFile(t, filepath.Join(kept, "heads.db"), filepath.Join(dir, "heads.db")) }, ""},
		{"all of it", func(kept string) {
			for _, db := range all {
				copyFile(t, filepath.Join(kept, db), filepath.Join(dir, db))
			}
		}, ""},
		{"by a meta page", func(string) {
			flipBit(t, filepath.Join(dir, "heads.db"), int64(os.Getpagesize())*int64(node.NewerMeta(filepath.Join(dir, "heads.db")))+40, 1)
		}, "a database has a broken meta page"},
	} {
		t.Run(s.name, func(t *testing.T) {
			defer func(t testing.TB) { c.t = t }(c.t)
			c.t = t
			c.StopNode("lyon")
			kept := t.TempDir()
			for _, db := range all {
				copyFile(t, filepath.Join(dir, db), filepath.Join(kept, db))
			}
			c.run("lyon")
			c.ready()
			before := c.Nodes["lyon"].LastCosigned()
			c.eventually("lyon cosigning", func() bool { // which is late where the others were enough
				c.ack("turin", c.reading(newVIN(), 50_000))
				return c.Nodes["lyon"].LastCosigned() > before
			})
			c.agree()
			size := c.Nodes["lyon"].LastCosigned()
			root, err := c.Nodes["turin"].RootAt(size)
			must(t, err)
			c.StopNode("lyon")
			s.back(kept)
			c.run("lyon")
			c.ready()
			if s.says != "" && !c.said("lyon", s.says) {
				t.Error("it does not warn")
			}
			c.lead("turin")
			c.eventually("lyon having all", func() bool { at, _ := c.Nodes["lyon"].TreeHead(); return at >= size })
			wrong := root
			wrong[3] ^= 1
			_, err = c.askCosign("turin", "lyon", c.checkpoint(size, wrong, "turin", "turin"), c.Nodes["turin"].Consistency)
			refused(t, err, "root_mismatch")
			c.ack("leeds", c.reading(newVIN(), 60_000))
			c.agree()
		})
	}
}
