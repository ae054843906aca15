package bench

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/milepost-log/milepost/certs"
	"github.com/milepost-log/milepost/certs/keyfile"
	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/node/embed"
)

// sender is one HTTPS connection that submits records and waits for each
// answer. It does the least that a client must: here clients and nodes share
// the processors, and it is the nodes that are measured.
type sender struct {
	conn *tls.Conn
	in   *bufio.Reader
	out  []byte
}

// answerWait is how long a sender waits for an answer.
const answerWait = time.Minute

func newSender(c *embed.Cluster, id, member string) (*sender, error) {
	entry, err := c.Cluster.Node(id)
	if err != nil {
		return nil, err
	}
	key, err := keyfile.ReadKeyFile(c.Cluster.KeyPath(member, keyfile.UseTLS), nil)
	if err != nil {
		return nil, err
	}
	identity, err := key.TLS()
	if err != nil {
		return nil, err
	}
	peer, err := keyfile.ReadKeyFile(c.Cluster.KeyPath("node/"+id, keyfile.UseTLS), nil)
	if err != nil {
		return nil, err
	}
	pin, err := peer.Public()
	if err != nil {
		return nil, err
	}
	conn, err := tls.Dial("tcp", entry.Address, certs.ClientConfig(identity, pin, "http/1.1"))
	if err != nil {
		return nil, fmt.Errorf("connect to node %s: %w", id, err)
	}
	return &sender{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (s *sender) close() { s.conn.Close() }

// submit sends one request and reads its answer.
func (s *sender) submit(notes [][]byte) (*node.SubmitAnswer, error) {
	body, media := notes[0], "text/plain"
	if len(notes) > 1 {
		var in struct {
			Notes []string `json:"notes"`
		}
		for _, n := range notes {
			in.Notes = append(in.Notes, string(n))
		}
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
		media = "application/json"
	}
	s.out = fmt.Appendf(s.out[:0], "POST /v1/records HTTP/1.1\r\nHost: node\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", media, len(body))
	s.out = append(s.out, body...)
	if err := s.conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return nil, err
	}
	if _, err := s.conn.Write(s.out); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s: %s", resp.Status, data)
	}
	out := new(node.SubmitAnswer)
	if err := json.Unmarshal(data, out); err != nil || len(out.Records) != len(notes) {
		return nil, fmt.Errorf("the answer is not one to %d records", len(notes))
	}
	return out, nil
}
