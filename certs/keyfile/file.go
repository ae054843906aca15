package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/milepost-log/milepost/certs/durable"
	"github.com/milepost-log/milepost/certs/fault"
)

// MaxSize is the largest key file that is read, in bytes.
const MaxSize = 16 << 10

// maxWorkFactor caps what opening a stranger's file can cost: scrypt with
// 2^20 rounds takes about four seconds and 1 GiB of memory.
const maxWorkFactor = 20

// WriteFile writes the key to a new file of mode 0600, encrypted if there is
// a passphrase (nil for none), and returns when the file and its directory
// entry are on the disk. An existing file is left alone: code
// key_file_exists. A passphrase that is empty or holds a line break is
// refused (key_passphrase), for a line break is what an editor or echo added.
func (k *Key) WriteFile(path string, passphrase []byte) error {
	return k.writeFile(path, passphrase, 0)
}

// writeFile lets tests choose a work factor; 0 is age's own, about a second.
func (k *Key) writeFile(path string, passphrase []byte, workFactor int) error {
	if err := k.check(); err != nil {
		return err
	}
	content := k.text()
	if passphrase != nil {
		var err error
		if content, err = encrypt(content, passphrase, workFactor); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fault.New("key_file_exists", path, "the file exists and is left as it is").
			WithHint("choose another name; a key that was overwritten would be lost for ever")
	}
	if err != nil {
		return fmt.Errorf("new key file: %w", err)
	}
	if err := fill(f, content); err != nil {
		// What is left behind would be half a key.
		return errors.Join(fmt.Errorf("write key file %s: %w", path, err), os.Remove(path))
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync the directory of key file %s: %w", path, err)
	}
	return nil
}

func fill(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func encrypt(content, passphrase []byte, workFactor int) ([]byte, error) {
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	if workFactor > 0 {
		recipient.SetWorkFactor(workFactor)
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	_, err = w.Write(content)
	if err := errors.Join(err, w.Close(), armored.Close()); err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	return out.Bytes(), nil
}

func checkPassphrase(p []byte) error {
	if len(p) == 0 || bytes.ContainsAny(p, "\r\n\x00") {
		return fault.New("key_passphrase", "", "the passphrase is empty or holds a line break").
			WithHint("give it without the newline at its end")
	}
	return nil
}

// ReadKeyFile reads a key file. passphrase is asked only if the file is
// encrypted; it may be nil. Codes of the errors:
//
//	key_file_open   group or others can read the file
//	key_file        it cannot be opened, or is not a key file
//	key_passphrase  it is encrypted and the passphrase is missing or wrong
//
// A symbolic link is followed, since secrets are often mounted as links: what
// counts is the mode of the file that it leads to.
func ReadKeyFile(path string, passphrase func() ([]byte, error)) (*Key, error) {
	content, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	k, err := open(content, passphrase)
	var e *fault.Error
	if errors.As(err, &e) && e.Where == "" {
		e.Where = path
	}
	return k, err
}

// readPrivate reads a regular file that nobody else can read.
func readPrivate(path string) ([]byte, error) {
	bad := func(what string, cause error) ([]byte, error) {
		return nil, fault.New("key_file", path, what).Because(cause)
	}
	// Looked at before it is opened, for opening a named pipe would wait.
	info, err := os.Stat(path)
	if err != nil {
		return bad("the key file cannot be read", bare(err))
	}
	if !info.Mode().IsRegular() {
		return bad("this is not a regular file", nil)
	}
	f, err := os.Open(path)
	if err != nil {
		return bad("the key file cannot be read", bare(err))
	}
	defer f.Close()
	// Looked at again, for this is the file that is read.
	if info, err = f.Stat(); err != nil {
		return bad("the key file cannot be read", bare(err))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fault.New("key_file_open", path, fmt.Sprintf("others can get at this private key: its mode is %04o", mode)).
			WithHint("chmod 600 " + shellQuote(path))
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return bad("the key file cannot be read", bare(err))
	}
	if len(content) > MaxSize {
		return bad(fmt.Sprintf("the file has more than %d bytes", MaxSize), nil)
	}
	return content, nil
}

// bare drops the operation and path from an error that is shown beside them.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// shellQuote makes the hint safe to paste.
func shellQuote(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:,"
	if strings.Trim(path, plain) == "" && path[0] != '-' {
		return path
	}
	if path[0] == '-' {
		path = "./" + path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func open(content []byte, passphrase func() ([]byte, error)) (*Key, error) {
	if !bytes.HasPrefix(content, []byte(armor.Header)) {
		return parse(content)
	}
	if passphrase == nil {
		return nil, fault.New("key_passphrase", "", "the key file is encrypted and no passphrase was given")
	}
	p, err := passphrase()
	if err != nil {
		return nil, fault.New("key_passphrase", "", "the key file is encrypted and its passphrase could not be had").Because(err)
	}
	text, err := decrypt(content, p)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

func decrypt(content, passphrase []byte) ([]byte, error) {
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(content)), identity)
	var mismatch *age.NoIdentityMatchError
	if errors.As(err, &mismatch) {
		if len(mismatch.StanzaTypes) == 1 && mismatch.StanzaTypes[0] == "scrypt" {
			return nil, fault.New("key_passphrase", "", "the passphrase does not open this key file")
		}
		return nil, fault.New("key_file", "", "the file is encrypted, but not to a passphrase")
	}
	if err != nil {
		return nil, fault.New("key_file", "", "the encrypted key file is damaged").Because(err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxSize))
	if err != nil {
		return nil, fault.New("key_file", "", "the encrypted key file is damaged").Because(err)
	}
	return text, nil
}
