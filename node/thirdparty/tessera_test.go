package thirdparty

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tiles is Tessera's client of the asked node. Entry bundles are for
// members, so it shows the TLS key of one.
func (c *cluster) tiles(t *testing.T, through http.RoundTripper) *client.HTTPFetcher {
	t.Helper()
	root, err := url.Parse(c.url)
	must(t, err)
	f, err := client.NewHTTPFetcher(root, &http.Client{Transport: through})
	must(t, err)
	return f
}

// check runs Tessera's fsck: from the entry bundles alone it computes the
// whole tree again and compares it with every tile and the tree head. It
// has more workers than there are tiles, because each bad tile ends one and
// fsck would wait for ever without any.
func (c *cluster) check(t *testing.T, through http.RoundTripper) error {
	t.Helper()
	key := c.logKey(t, c.get(t, "checkpoint"))
	return fsck.New(c.origin, key, c.tiles(t, through), leafHashes, fsck.Opts{N: 8}).Check(t.Context())
}

func leafHashes(bundle []byte) (hashes [][]byte, err error) {
	var b api.EntryBundle
	err = b.UnmarshalText(bundle)
	for _, e := range b.Entries {
		h := tlog.RecordHash(e)
		hashes = append(hashes, h[:])
	}
	return hashes, err
}

// doctor changes the last byte of whatever is read below a path.
type doctor struct {
	http.RoundTripper
	path string
}

func (d doctor) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasPrefix(r.URL.Path, d.path) || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	data[len(data)-1] ^= 1
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp, nil
}

// Three tiles of entries, two of them full, and a second level of hashes.
func TestTesseraFsck(t *testing.T) {
	t.Parallel()
	c := start(t, 50)
	must(t, c.check(t, c.http.Transport))
	for _, path := range []string{"/tile/entries/000", "/tile/entries/002.p/", "/tile/0/001", "/tile/1/000.p/"} {
		if err := c.check(t, doctor{c.http.Transport, path}); err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("with a changed byte in %s fsck says: %v", path, err)
		}
	}
}

// Tessera's client follows the log as it grows, proves to itself that each
// tree head extends the last, and finds the same path as our receipt.
func TestTesseraClient(t *testing.T) {
	t.Parallel()
	c := start(t, 20)
	tiles := c.tiles(t, c.http.Transport)
	// Any node's log key will do: whichever led signed the head.
	consensus := func(ctx context.Context, _ note.Verifier, origin string) (*log.Checkpoint, []byte, *note.Note, error) {
		var errs error
		for _, key := range c.logKeys(t) {
			cp, raw, n, err := client.FetchCheckpoint(ctx, tiles.ReadCheckpoint, key, origin)
			if err == nil {
				return cp, raw, n, nil
			}
			errs = errors.Join(errs, err)
		}
		return nil, nil, nil, errs
	}
	tracker, err := client.NewLogStateTracker(t.Context(), tiles.ReadTile, nil, nil, c.origin, consensus)
	must(t, err)
	for range 3 {
		before := tracker.Latest().Size
		c.send(t, 7)
		_, path, _, err := tracker.Update(t.Context())
		must(t, err)
		if after := tracker.Latest().Size; after <= before || len(path) == 0 {
			t.Errorf("from size %d to %d with %d hashes", before, after, len(path))
		}
	}

	size := tracker.Latest().Size
	builder, err := client.NewProofBuilder(t.Context(), size, tiles.ReadTile)
	must(t, err)
	for i := 0; i < len(c.sent); i += 41 {
		var receipt proof.TLogProof
		must(t, receipt.Unmarshal(c.receipt(t, c.sent[i].hash)))
		path, err := builder.InclusionProof(t.Context(), receipt.Index)
		must(t, err)
		for j, h := range path {
			if len(path) != len(receipt.Hashes) || !bytes.Equal(h, receipt.Hashes[j][:]) {
				t.Fatalf("record %d has another path in our receipt", receipt.Index)
			}
		}
		bundle, err := client.GetEntryBundle(t.Context(), tiles.ReadEntryBundle, receipt.Index/256, size)
		must(t, err)
		if got := string(bundle.Entries[receipt.Index%256]); got != c.sent[i].note {
			t.Errorf("leaf %d is another:\n%s", receipt.Index, got)
		}
	}
}
