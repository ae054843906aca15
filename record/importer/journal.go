package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// Journal keeps the signed notes of an import on disk, so that a run that
// was stopped sends the very same bytes again: a record's text holds the time
// of its signing, and a log that has a record with the same id and another
// text refuses the new one.
//
// The way to use it: for a batch of rows take each one's Note, or sign and
// Add it; Sync; only then send the batch. What the log acknowledged it
// answers with its index when it is sent again.
//
// The file is one JSON object a line: first format, origin and author, then
// id and note of each record. It is only ever appended to. A last line
// without its newline is what a crash leaves behind: nothing of it was sent,
// and Open cuts it off. A journal is for one process at a time, and holds no
// secret but what the records hold. Methods are not safe for concurrent use.
type Journal struct {
	f      *os.File
	places map[string]place // by record id
	size   int64
	broken error // of a write; the end of the file is then unknown
}

// place is where the line of a note is in the file.
type place struct {
	at     int64
	length int
}

const (
	journalFormat = "milepost/import-journal@v1"
	// maxJournalLine holds a note of 60,000 bytes, each escaped to six.
	maxJournalLine = 6*record.MaxBytes + 1024
)

type journalHead struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	Author string `json:"author"`
}

type journalLine struct {
	ID   string `json:"id"`
	Note string `json:"note"`
}

// OpenJournal opens the journal of an author's imports into one log, or
// begins it, with mode 0600. Codes of its errors: journal_busy (another
// process has it), journal_other (it is of another log or author),
// journal_broken (a line before the last cannot be read).
func OpenJournal(path, origin, author string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the import journal: %w", err)
	}
	j := &Journal{f: f, places: map[string]place{}}
	if err := j.open(path, journalHead{journalFormat, origin, author}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *Journal) open(path string, head journalHead) error {
	if err := lock(j.f); err != nil {
		return fault.New("journal_busy", path, "another process is importing with this journal").Because(err)
	}
	if err := j.load(path, head); err != nil {
		return err
	}
	// Cut off what a crash left, and stand at the end.
	if err := j.f.Truncate(j.size); err != nil {
		return fmt.Errorf("import journal %s: %w", path, err)
	}
	if _, err := j.f.Seek(j.size, io.SeekStart); err != nil {
		return fmt.Errorf("import journal %s: %w", path, err)
	}
	if j.size > 0 {
		return nil
	}
	if _, err := j.write(head); err != nil {
		return err
	}
	if err := j.Sync(); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("import journal: %w", err)
	}
	return nil
}

// load reads all whole lines and sets size to their end.
func (j *Journal) load(path string, head journalHead) error {
	in := bufio.NewReaderSize(j.f, maxJournalLine)
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		if err == io.EOF {
			if n == 1 && !cutHead(head, text) {
				return fault.New("journal_other", path, "this file is not an import journal").
					WithHint("name another file as the journal")
			}
			return nil
		}
		broken := func(why error) error {
			return fault.New("journal_broken", fmt.Sprintf("%s, line %d", path, n), "this line of the import journal cannot be read").
				Because(why).WithHint("keep a copy, then delete this line: its record will be signed again, and refused if the log has it already")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return broken(errors.New("it is too long"))
		}
		if err != nil {
			return fmt.Errorf("import journal %s: %w", path, err)
		}
		if n == 1 {
			var have journalHead
			if err := strictJSON(text, &have); err != nil || have.Format != journalFormat {
				return fault.New("journal_other", path, "this file is not an import journal").
					WithHint("name another file as the journal").Because(err)
			}
			if have != head {
				return fault.New("journal_other", path, fmt.Sprintf("this journal is of %.100q importing into %.200q", have.Author, have.Origin)).
					WithHint("name another file as the journal")
			}
		} else {
			var l journalLine
			if err := strictJSON(text, &l); err != nil {
				return broken(err)
			}
			if err := record.CheckUUIDv7(l.ID); err != nil {
				return broken(err)
			}
			if _, twice := j.places[l.ID]; twice || l.Note == "" {
				return broken(errors.New("the id is there twice, or the note is empty"))
			}
			j.places[l.ID] = place{j.size, len(text)}
		}
		j.size += int64(len(text))
	}
}

// cutHead reports whether text, all that is in a file, is what a crash may
// leave of the first line: its beginning, or space that was never filled.
// Any other file was named by mistake and must not be cut.
func cutHead(head journalHead, text []byte) bool {
	whole, err := json.Marshal(head)
	return err == nil && bytes.HasPrefix(whole, text) || len(bytes.Trim(text, "\x00")) == 0
}

// strictJSON decodes one object that has no unknown fields and nothing behind it.
func strictJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// Len returns the number of notes.
func (j *Journal) Len() int { return len(j.places) }

// Note returns the note that was signed for an id, and whether there is one.
func (j *Journal) Note(id string) ([]byte, bool, error) {
	p, ok := j.places[id]
	if !ok {
		return nil, false, nil
	}
	text := make([]byte, p.length)
	if _, err := j.f.ReadAt(text, p.at); err != nil {
		return nil, false, fmt.Errorf("import journal: %w", err)
	}
	var l journalLine
	if err := strictJSON(text, &l); err != nil {
		return nil, false, fmt.Errorf("import journal: %w", err)
	}
	return []byte(l.Note), true, nil
}

// Add appends a note for an id that has none. It is on the disk only after
// the next Sync. After an error nothing more can be added; a journal opened
// anew goes on from the last whole line.
func (j *Journal) Add(id string, note []byte) error {
	if err := record.CheckUUIDv7(id); err != nil {
		return err
	}
	if _, twice := j.places[id]; twice || len(note) == 0 || len(note) > record.MaxBytes || !utf8.Valid(note) {
		return fmt.Errorf("import journal: %s has a note already, or this is none of at most %d bytes of UTF-8", id, record.MaxBytes)
	}
	at := j.size
	n, err := j.write(journalLine{id, string(note)})
	if err == nil {
		j.places[id] = place{at, n}
	}
	return err
}

func (j *Journal) write(v any) (int, error) {
	if j.broken != nil {
		return 0, j.broken
	}
	text, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("import journal: %w", err)
	}
	text = append(text, '\n')
	if _, err := j.f.Write(text); err != nil {
		j.broken = fmt.Errorf("import journal: %w", err)
		return 0, j.broken
	}
	j.size += int64(len(text))
	return len(text), nil
}

// Sync returns when all notes are on the disk. Send none before.
func (j *Journal) Sync() error {
	if j.broken != nil {
		return j.broken
	}
	if err := j.f.Sync(); err != nil {
		// What is on the disk is unknown now, and a second sync may not tell.
		j.broken = fmt.Errorf("import journal: %w", err)
	}
	return j.broken
}

// Close releases the journal, without a Sync.
func (j *Journal) Close() error { return j.f.Close() }
