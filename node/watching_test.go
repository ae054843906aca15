package node_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
)

// What a person sees of a cluster in which a clock is off, a node dies, then
// another, and both come back.
func TestWatching(t *testing.T) {
	t.Parallel()
	clock := newClocks()
	clock.set("turin", 30*time.Second)
	c := startCluster(t, func(id string, cfg *node.Config) {
		cfg.Now = clock.of(id)
		cfg.SightEvery(200 * time.Millisecond)
	})
	c.play(t,
		scene{"metrics follow the conventions", testMetricsLint},
		scene{"all is well", testWell},
		scene{"one node is down", testOneDown},
		scene{"no quorum is left", testNoQuorum},
		scene{"all is well again", testWellAgain},
	)
}

func testMetricsLint(t *testing.T, c *cluster) {
	// Counters appear with their first count: let there be a refusal.
	c.as("lyon", "").Get(t.Context(), "/v1/status")
	c.eventually("metrics of peers", func() bool { return c.metric("lyon", "milepost_peer_up") == 3 })
	text, err := c.as("lyon", dealer).Get(t.Context(), "/metrics")
	must(t, err)
	problems, err := promlint.New(strings.NewReader(string(text))).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if n := strings.Count(string(text), "# HELP milepost_"); n < 30 {
		t.Errorf("only %d metrics of milepost", n)
	}
}

func testWell(t *testing.T, c *cluster) {
	leader := c.leader()
	c.ack("mutual", c.readings(3)...)
	size, _ := c.agree()
	for _, id := range c.IDs() {
		c.eventually(id+" being ready", func() bool { return c.metric(id, "milepost_ready") == 1 })
		for name, want := range map[string]float64{
			"milepost_tree_size": float64(size), "milepost_lag_leaves": 0, "milepost_quorum_cosigners": 3, "milepost_policy_cosigners": 4,
			"milepost_tolerated_liars": 1, "milepost_feature_level": 1, "milepost_node_key_registered": 3, "milepost_node_key_next": 0,
			"milepost_leader": map[bool]float64{true: 1}[id == leader], "milepost_leader_known": 1,
		} {
			if got := c.metric(id, name); got != want {
				t.Errorf("%s: %s is %v, not %v", id, name, got, want)
			}
		}
		for _, name := range []string{"milepost_disk_free_bytes", "milepost_database_bytes", "milepost_member_keys", "milepost_published_timestamp_seconds"} {
			if c.metric(id, name) <= 0 {
				t.Errorf("%s: %s is missing", id, name)
			}
		}
	}
	if c.metric(leader, `milepost_cosignature_seconds_count`) == 0 {
		t.Error("the leader does not say how long cosigning took")
	}
	c.eventually("the clock of turin, as leeds sees it", func() bool {
		ahead := c.metric("leeds", `milepost_peer_clock_offset_seconds`) // turin's alone is off
		return ahead > 25 && ahead < 35
	})
}

func testOneDown(t *testing.T, c *cluster) {
	c.lead("lyon")
	c.StopNode("mutual")
	c.ack("lyon", c.readings(2)...)
	c.eventually("lyon missing mutual", func() bool {
		st := c.Nodes["lyon"].Status()
		return len(st.Silent) == 1 && st.Silent[0].Node == "mutual" && st.Silent[0].Error.Code == "unreachable" && st.Silent[0].Size > 0
	})
	c.eventually("turin seeing that mutual is down", func() bool {
		for _, p := range c.Nodes["turin"].Status().Peers {
			if p.Node == "mutual" && p.Sighting != nil && p.Error != nil && p.Error.Code == "unreachable" && p.Seen != "" {
				return true
			}
		}
		return false
	})
	c.eventually("it being logged", func() bool {
		return c.said("turin", `msg="a node does not answer" peer=mutual`) && c.said("lyon", `msg="no cosignature" peer=mutual`)
	})
	if st := c.Nodes["lyon"].Status(); len(st.NotReady) > 0 {
		t.Errorf("one node of four is no reason not to be ready: %+v", st.NotReady)
	}
}

func testNoQuorum(t *testing.T, c *cluster) {
	c.StopNode("leeds")
	// Lyon and turin are a majority of Raft's voters, and no quorum.
	go c.Nodes["lyon"].Submit(t.Context(), c.readings(1)...)
	var status int
	var body string
	c.eventually("lyon not being ready", func() bool {
		status, body = c.readyz("lyon", "json")
		return strings.Contains(body, `"no_quorum"`)
	})
	var answer struct {
		Ready  bool
		Node   string
		Checks []struct {
			Name             string
			OK               bool
			Says, Code, Hint string
		}
	}
	must(t, json.Unmarshal([]byte(body), &answer))
	if status != http.StatusServiceUnavailable || answer.Ready || answer.Node != "lyon" || len(answer.Checks) != 8 {
		t.Errorf("%d %s", status, body)
	}
	for _, check := range answer.Checks {
		if check.OK != (check.Code == "") || check.Says == "" || check.OK != (check.Hint == "") {
			t.Errorf("check %+v", check)
		}
	}
	status, body = c.readyz("lyon", "text")
	for _, words := range []string{"[ok] leader   lyon leads\n", "[NO] quorum ", "mutual (unreachable)", "leeds (unreachable)", "what to do: start the nodes", "\nnot ready\n"} {
		if status != http.StatusServiceUnavailable || !strings.Contains(body, words) {
			t.Errorf("%d, %q is missing:\n%s", status, words, body)
		}
	}
	if status, body = c.readyz("lyon", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"no_quorum"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ = c.readyz("lyon", "xml"); status != http.StatusBadRequest {
		t.Errorf("a format that there isn't is answered with %d", status)
	}
	if c.metric("lyon", "milepost_not_ready") != 1 || c.metric("lyon", "milepost_ready") != 0 || c.metric("lyon", "milepost_quorum_wait_seconds") == 0 {
		t.Error("the metrics don't say so")
	}
	c.eventually("it being logged", func() bool { return c.said("lyon", "code=no_quorum") })
}

func testWellAgain(t *testing.T, c *cluster) {
	c.run("leeds")
	c.run("mutual")
	c.agree()
	for _, id := range c.IDs() {
		c.eventually(id+" being ready", func() bool {
			status, body := c.readyz(id, "")
			return status == http.StatusOK && body == "ready\n"
		})
	}
	c.ack("leeds", c.readings(1)...)
	c.eventually("nobody being missed", func() bool {
		st := c.Nodes[c.leader()].Status()
		up := 0
		for _, p := range st.Peers {
			if p.Sighting != nil && p.Error == nil && p.Ready {
				up++
			}
		}
		return len(st.Silent) == 0 && up == 3
	})
	if !c.said("lyon", `msg="a node cosigns again" peer=mutual`) || !c.said("lyon", `msg="ready: records can be sent here"`) {
		t.Error("it is not logged")
	}
}

// readyz asks a node whether it is ready, as anyone may.
func (c *cluster) readyz(id, format string) (status int, body string) {
	c.t.Helper()
	entry, err := c.Cluster.Cluster.Node(id)
	must(c.t, err)
	pin, err := c.key("node/"+id, keyfile.UseTLS).Public()
	must(c.t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: certs.ClientConfig(nil, pin, "http/1.1"), DisableKeepAlives: true}}
	resp, err := client.Get("https://" + entry.Address + "/readyz?format=" + format)
	must(c.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(c.t, err)
	return resp.StatusCode, string(data)
}
