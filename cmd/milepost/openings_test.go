package main

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

const openingRecord = "01970000-0000-7000-8000-000000000001"

// Whoever holds an opening can tell the value: nobody else may read the file.
// And none that is in it may get lost, for nothing else opens its commitment.
func TestOpeningsAreKeptPrivateAndKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "draft.opening")
	first := record.NewOpening(record.CommitmentKey{1}, openingRecord, "plate", "AB-123-CD")
	second := record.NewOpening(record.CommitmentKey{2}, openingRecord, "customer", "x")
	if err := addOpenings(path, first); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil { // as a careless copy leaves it
		t.Fatal(err)
	}
	if err := addOpenings(path, second); err != nil {
		t.Fatal(err)
	}
	got, err := readOpenings(path)
	if err != nil || len(got) != 2 || got[0] != first || got[1] != second {
		t.Errorf("%v, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := addOpenings(path, first); fault.Code(err) != "openings_form" {
		t.Errorf("%v", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != "something else\n" {
		t.Error("a file that holds no openings was overwritten")
	}
}

// A file is read once, in pieces, into every hash.
func TestAFileIsStreamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := record.CommitmentKey{1}
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * 7)
		}
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := stream(path, key.Hash(openingRecord, record.AttachmentField), key.Hash(openingRecord, "other"))
		if err != nil {
			t.Fatal(err)
		}
		if s.size != int64(size) || s.sha256 != sha256.Sum256(data) || s.more[0] != key.Commit(openingRecord, record.AttachmentField, string(data)) ||
			s.more[1] != key.Commit(openingRecord, "other", string(data)) {
			t.Errorf("%d bytes: %+v", size, s)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "nothing")} {
		if _, err := stream(path); fault.Code(err) != "file" {
			t.Errorf("%v", err)
		}
	}
}
