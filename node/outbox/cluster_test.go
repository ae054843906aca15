package outbox

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
)

// A test that kills a workshop needs a process: the test binary runs itself
// with this in its environment, and is a workshop then.
const envWorkshop = "MILEPOST_TEST_WORKSHOP"

func TestMain(m *testing.M) {
	if text := os.Getenv(envWorkshop); text != "" {
		if err := beWorkshop([]byte(text)); err != nil {
			fmt.Fprintln(os.Stderr, "workshop:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// place is what a workshop in a process of its own is told.
type place struct {
	Dir, Address, Pin string // of the cluster, and of one of its nodes
	Queue, Folder     string
	Origin            string
}

// beWorkshop runs until the test that started it is gone, or kills it.
func beWorkshop(text []byte) error {
	var p place
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) // open as long as the test lives
		os.Exit(3)
	}()
	cl := &node.Cluster{}
	cl.SetDir(p.Dir)
	tls, err := keyfile.ReadKeyFile(cl.KeyPath(member, keyfile.UseTLS), nil)
	if err != nil {
		return err
	}
	identity, err := tls.TLS()
	if err != nil {
		return err
	}
	q, err := Create(Config{Dir: p.Queue, Origin: p.Origin, Member: member})
	if err != nil {
		return err
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		return err
	}
	w, err := NewWorkshop(WorkshopConfig{
		Queue: q, Log: node.NewClient(p.Address, p.Pin, identity, nil), Signer: recordKey(cl), Origin: p.Origin, Member: member, Zone: time.UTC,
		Listener: l, Token: "token", Wait: 90 * time.Second, Folder: p.Folder, Poll: 10 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return w.Run(context.Background())
}

func recordKey(cl *node.Cluster) func() (certs.Signer, error) {
	return func() (certs.Signer, error) {
		k, err := keyfile.ReadKeyFile(cl.KeyPath(member, keyfile.UseRecord), nil)
		if err != nil {
			return nil, err
		}
		return k.Signer()
	}
}

func startCluster(t *testing.T) (*embed.Cluster, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	c, err := embed.Start(ctx, embed.Config{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(c.Stop)
	f, err := node.ReadFounding(c.Cluster.FoundingPath())
	must(t, err)
	return c, f.Origin
}

// vehicle is an unsigned record of a car of its own.
func vehicle(i int) (vin string, data []byte) {
	vin = fmt.Sprintf("VF1AAAA%010d", i)
	return vin, []byte(strings.Replace(string(unsigned(i)), "VF1AAAA0000000001", vin, 1))
}

// once checks that a vehicle has one record on the log.
func once(t *testing.T, c *embed.Cluster, vin string) {
	t.Helper()
	client, err := c.Cluster.Client("lyon", member, nil)
	must(t, err)
	defer client.Close()
	var data []byte
	(&testDoor{t: t}).until("an answer about "+vin, func() bool {
		data, err = client.Get(t.Context(), node.VehiclePath("vehicle/"+vin)+"?consistency=strict")
		return err == nil // a machine that is busy may be without a leader for a moment
	})
	var h node.HistoryAnswer
	must(t, json.Unmarshal(data, &h))
	if len(h.Entries) != 1 {
		t.Errorf("%s has %d records on the log, not 1", vin, len(h.Entries))
	}
}

// dropFile puts a whole file into a folder.
func dropFile(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	tmp := filepath.Join(dir, "."+name)
	must(t, os.WriteFile(tmp, data, 0o644))
	must(t, os.Rename(tmp, filepath.Join(dir, name)))
}

// Through a real node, from within its process: at the leader, at a follower
// that sends records on, and at one that never leads.
func TestWorkshopOfANode(t *testing.T) {
	t.Parallel()
	c, origin := startCluster(t)
	for i, id := range []string{"lyon", "turin", "mutual"} {
		l, err := Listen("127.0.0.1:0")
		must(t, err)
		q, err := Create(Config{Dir: filepath.Join(t.TempDir(), "q"), Origin: origin, Member: member})
		must(t, err)
		folder := t.TempDir()
		w, err := NewWorkshop(WorkshopConfig{
			Queue: q, Log: c.Nodes[id], Signer: recordKey(c.Cluster), Origin: origin, Member: member, Zone: time.UTC,
			Listener: l, Token: "token", Wait: 90 * time.Second, Folder: folder, Poll: 10 * time.Millisecond,
		})
		must(t, err)
		d := &testDoor{w, t, "http://" + l.Addr().String()}
		d.run()
		vin, data := vehicle(10 + i)
		status, ans, _ := d.ask("POST", "/v1/sign", "job-1", data, nil)
		if status != 200 || ans.Status != Acknowledged || !strings.HasPrefix(ans.Receipt, "c2sp.org/tlog-proof@v1\n") {
			t.Fatalf("%s: %d %+v", id, status, ans)
		}
		once(t, c, vin)
		// One that relies on a record which is not there: the log refuses it.
		answer := strings.Replace(strings.Replace(string(data), "odometer.reading", "dispute.answered", 1), string(data[strings.Index(string(data), `"body"`):]),
			fmt.Sprintf(`"body": {"case": %q, "prev": %[1]q, "position": "denies"}}`, strings.Repeat("0", 64)), 1)
		if status, ans, code := d.ask("POST", "/v1/sign", "job-2", []byte(answer), nil); status != 422 || ans.Status != Refused || code == "" {
			t.Fatalf("%s: %d %+v %s", id, status, ans, code)
		}
		vin, data = vehicle(20 + i)
		dropFile(t, folder, "job.json", data)
		d.until("the answer beside the file", func() bool {
			_, err := os.Stat(filepath.Join(folder, "done", "job.json"))
			return err == nil
		})
		once(t, c, vin)
	}
}

// child is a workshop in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

func startChild(t *testing.T, p place) *child {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	text, err := json.Marshal(p)
	must(t, err)
	ch := &child{cmd: exec.Command(self)}
	ch.cmd.Env = append(os.Environ(), envWorkshop+"="+string(text))
	ch.cmd.Stderr = os.Stderr
	ch.stdin, err = ch.cmd.StdinPipe()
	must(t, err)
	out, err := ch.cmd.StdoutPipe()
	must(t, err)
	must(t, ch.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	ch.url = "http://" + strings.TrimSpace(line)
	return ch
}

// kill is kill -9.
func (ch *child) kill() {
	ch.cmd.Process.Kill()
	ch.cmd.Wait()
	ch.stdin.Close()
}

// A workshop is killed again and again while files are dropped and programs
// ask, each until it has an answer: every record is on the log once.
func TestKilledWorkshop(t *testing.T) {
	t.Parallel()
	const asked, dropped, kills = 12, 12, 6
	c, origin := startCluster(t)
	entry, err := c.Cluster.Node("turin")
	must(t, err)
	k, err := keyfile.ReadKeyFile(c.Cluster.KeyPath("node/turin", keyfile.UseTLS), nil)
	must(t, err)
	pin, err := k.Public()
	must(t, err)
	p := place{Dir: c.Cluster.Path(), Address: entry.Address, Pin: pin, Queue: filepath.Join(t.TempDir(), "q"), Folder: t.TempDir(), Origin: origin}

	var mu sync.Mutex
	ch := startChild(t, p)
	defer func() { ch.kill() }()
	url := func() string { mu.Lock(); defer mu.Unlock(); return ch.url }
	signed := func() int {
		names, _ := osDisk{}.list(filepath.Join(p.Queue, requestsDir))
		n := 0
		for _, name := range names {
			if !strings.HasPrefix(name, partial) {
				n++
			}
		}
		return n
	}
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	hashes := make([]string, asked)
	for i := range asked {
		wg.Go(func() {
			_, data := vehicle(100 + i)
			for end := time.Now().Add(90 * time.Second); time.Now().Before(end); <-time.After(5 * time.Millisecond) {
				select {
				case <-stopped:
					return
				default:
				}
				if i > 2*signed() { // not all at once: there is to be something under way at each kill
					continue
				}
				r, err := http.NewRequest("POST", url()+"/v1/sign", strings.NewReader(string(data)))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer token")
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Idempotency-Key", fmt.Sprint("job-", i))
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					continue // killed
				}
				var ans Answer
				err = json.NewDecoder(resp.Body).Decode(&ans)
				resp.Body.Close()
				if err == nil && resp.StatusCode == 200 && ans.Status == Acknowledged {
					hashes[i] = ans.LeafHash
					return
				}
				if err == nil && resp.StatusCode < 500 && resp.StatusCode != 202 {
					t.Errorf("job %d: %d %+v", i, resp.StatusCode, ans)
					return
				}
			}
		})
	}
	for i := range dropped {
		_, data := vehicle(200 + i)
		dropFile(t, p.Folder, fmt.Sprintf("%d.json", i), data)
	}
	d := &testDoor{t: t}
	func() {
		defer func() {
			if t.Failed() {
				close(stopped)
			}
			wg.Wait()
		}()
		for n := 1; n <= kills; n++ {
			d.until("more that is signed", func() bool { return signed() >= n*(asked+dropped)/(kills+1) })
			ch.kill()
			next := startChild(t, p)
			mu.Lock()
			ch = next
			mu.Unlock()
		}
	}()
	d.until("an answer to every file", func() bool {
		found, _ := filepath.Glob(filepath.Join(p.Folder, "done", "*.answer.json"))
		left, _ := filepath.Glob(filepath.Join(p.Folder, "pending", "*.json"))
		return len(found) == dropped && len(left) == 0
	})
	for i := range asked {
		vin, _ := vehicle(100 + i)
		if hashes[i] == "" {
			t.Errorf("job %d has no answer", i)
		}
		once(t, c, vin)
	}
	for i := range dropped {
		vin, _ := vehicle(200 + i)
		once(t, c, vin)
	}
	q, err := Open(Config{Dir: p.Queue, Origin: origin, Member: member})
	must(t, err)
	sent, err := q.Acknowledged()
	if must(t, err); sent != asked+dropped {
		t.Errorf("%d are acknowledged, not %d", sent, asked+dropped)
	}
	if pending, err := q.Pending(); err != nil && fault.Code(err) != "file" || len(pending) > 0 {
		t.Errorf("%d are pending: %v", len(pending), err)
	}
}
