package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/milepost-log/milepost/certs/fault"
)

// The watched folder. A file's place says how far its record is:
//
//	NAME.json            dropped here by the workshop system
//	pending/NAME.json    signed and queued: NOT acknowledged
//	done/NAME.json       acknowledged; NAME.answer.json and NAME.receipt say so
//	refused/NAME.json    not to be had; NAME.error.txt says why
//
// Each step can be done again: what is signed goes by the file's content, so
// the same content is one record, however often a crash makes it be looked at.
const (
	doneDir   = "done"
	errorEnd  = ".error.txt"
	folderKey = "folder:" // begins the token of what lies in the folder
)

// folder is owned by the goroutine that scans it.
type folder struct {
	seen  map[string]look
	known map[string]string // pending file -> leaf hash
	said  string            // the last trouble that was logged
}

// look is how often in a row a file has looked the same.
type look struct {
	fileInfo
	times int
}

// A file is taken when it has looked the same twice: whoever writes it in
// place, and doesn't rename it in, may not have come to its end. What is no
// JSON at all gets more time, for it may be half of one.
const (
	looksWhole = 2
	looksWrong = 6
)

func (w *Workshop) openFolder() error {
	if w.cfg.Folder == "" {
		return nil
	}
	w.folder = folder{seen: map[string]look{}, known: map[string]string{}}
	d := w.cfg.Queue.disk
	if _, err := d.stat(w.cfg.Folder); err != nil {
		return fault.New("file", w.cfg.Folder, "the folder to be watched cannot be read").Because(bare(err))
	}
	for _, dir := range []string{pendingDir, doneDir, refusedDir} {
		if err := d.mkdir(filepath.Join(w.cfg.Folder, dir)); err != nil {
			return err
		}
	}
	return nil
}

// bare drops the operation and path from an error that is shown beside them.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// watch looks again and again: events of the file system are another thing
// on each system, and on shared folders there are none.
func (w *Workshop) watch(ctx context.Context) {
	for ctx.Err() == nil {
		answers := w.answers()
		said := ""
		if err := w.scan(ctx); err != nil {
			if said = err.Error(); said != w.folder.said {
				w.cfg.Logger.Warn("the watched folder is in trouble", "dir", w.cfg.Folder, "err", err)
			}
		}
		w.folder.said = said
		select {
		case <-ctx.Done():
		case <-answers:
		case <-time.After(w.cfg.Poll):
		}
	}
}

// scan takes what was dropped, and moves what has its answer. An error of one
// file keeps no other from its way.
func (w *Workshop) scan(ctx context.Context) error {
	d, dir := w.cfg.Queue.disk, w.cfg.Folder
	names, err := d.list(dir)
	if err != nil {
		return err
	}
	var errs []error
	seen := map[string]look{}
	for _, name := range names {
		info, err := d.stat(filepath.Join(dir, name))
		if err != nil || !info.regular || !isDropped(name) {
			continue
		}
		l := look{info, 1}
		if before := w.folder.seen[name]; before.fileInfo == info {
			l.times += before.times
		}
		if l.times < looksWhole || !w.takeFile(name, l, &errs) {
			seen[name] = l
		}
	}
	w.folder.seen = seen
	waiting, err := d.list(filepath.Join(dir, pendingDir))
	errs = append(errs, err)
	for _, name := range waiting {
		if isDropped(name) {
			errs = append(errs, w.answerFile(ctx, name))
		}
	}
	return errors.Join(errs...)
}

func isDropped(name string) bool {
	return strings.EqualFold(filepath.Ext(name), ".json") && !strings.HasPrefix(name, ".")
}

// takeFile signs and queues what a file asks for, and moves it to pending; or
// to refused. It is false if the file stays where it is.
func (w *Workshop) takeFile(name string, l look, errs *[]error) bool {
	data, err := w.cfg.Queue.disk.read(filepath.Join(w.cfg.Folder, name), MaxUnsigned)
	if fault.Code(err) == "too_large" {
		err, data = unfit{err}, fmt.Append(nil, l.fileInfo) // tells it from others of its name
	}
	if err == nil {
		_, err = w.take(folderKey+string(data), data)
	}
	if fault.Code(err) == "json_form" && l.times < looksWrong {
		return false
	}
	switch {
	case errors.As(err, new(unfit)):
		text := fmt.Sprintf("NOT SIGNED, nothing of it is on the log.\n\n%s [%s]\n", err, fault.Code(err))
		if hint := fault.Hint(err); hint != "" {
			text += "Hint: " + hint + "\n"
		}
		err = w.move("", name, refusedDir, data, map[string][]byte{errorEnd: []byte(text + "\nPut it right and drop it again.\n")})
	case err == nil:
		err = w.move("", name, pendingDir, data, nil)
	}
	*errs = append(*errs, err)
	return err == nil
}

// answerFile moves a file of pending to where its record's answer belongs.
func (w *Workshop) answerFile(ctx context.Context, name string) error {
	q := w.cfg.Queue
	if h := w.folder.known[name]; h != "" && !q.has(sentDir, h+recordEnd) && !q.has(refusedDir, h+recordEnd) {
		return nil
	}
	data, err := q.disk.read(filepath.Join(w.cfg.Folder, pendingDir, name), MaxUnsigned)
	if err != nil {
		return err
	}
	hash, err := w.take(folderKey+string(data), data)
	if err != nil {
		return err
	}
	it, err := q.Find(hash)
	if err != nil || it.State == Pending {
		w.folder.known[name] = hash
		return err
	}
	delete(w.folder.known, name)
	if it.State == Refused {
		text := fmt.Sprintf("REFUSED by the log, nothing of it is there.\n\n%s [%s]\n", it.Error.Error, it.Error.Code)
		if it.Error.Hint != "" {
			text += "Hint: " + it.Error.Hint + "\n"
		}
		return w.move(pendingDir, name, refusedDir, data, map[string][]byte{
			errorEnd: []byte(text + "\nThe signed record has the leaf hash " + hash + ". Put this file right and drop it again; or, if the reason\nhas gone by, `milepost outbox flush --again` sends the signed record once more.\n")})
	}
	text, err := json.MarshalIndent(it, "", "  ")
	if err != nil {
		return err
	}
	beside := map[string][]byte{".answer.json": append(text, '\n')}
	if receipt, err := w.cfg.Log.Receipt(ctx, hash); err == nil {
		beside[receiptEnd] = receipt
	}
	return w.move(pendingDir, name, doneDir, data, beside)
}

// move moves a file of the folder to another place of it, with what is to
// stand beside it there. A file of the same name and another content keeps
// its name; this one gets one with a part of its hash.
func (w *Workshop) move(from, name, to string, data []byte, beside map[string][]byte) error {
	d, dir := w.cfg.Queue.disk, w.cfg.Folder
	target := name
	if there, err := d.read(filepath.Join(dir, to, name), MaxUnsigned); !errors.Is(err, fs.ErrNotExist) && (err != nil || string(there) != string(data)) {
		ext := filepath.Ext(name)
		target = fmt.Sprintf("%s-%.6x%s", strings.TrimSuffix(name, ext), sha256.Sum256(data), ext)
	}
	stem := strings.TrimSuffix(target, filepath.Ext(target))
	for end, text := range beside {
		if err := put(d, filepath.Join(dir, to, stem+end), text); err != nil {
			return err
		}
	}
	if err := d.syncDir(filepath.Join(dir, to)); err != nil {
		return err
	}
	// Should this one step be two on some disk: the file is there twice, and
	// its content is one record.
	if err := d.rename(filepath.Join(dir, from, name), filepath.Join(dir, to, target)); err != nil {
		return err
	}
	return errors.Join(d.syncDir(filepath.Join(dir, to)), d.syncDir(filepath.Join(dir, from)))
}
