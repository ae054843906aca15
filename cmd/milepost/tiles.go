package main

import (
	"context"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/milepost-log/milepost/node"
	"github.com/milepost-log/milepost/verify"
)

// publishedHead is a tree head as a node publishes it now.
type publishedHead struct {
	client *node.Client
	*verify.Checkpoint
}

// fetchHead fetches the newest head of a node. Its signatures are not looked
// at: this is for comparing nodes, not for trusting one.
func fetchHead(ctx context.Context, client *node.Client) (*publishedHead, error) {
	data, err := client.Get(ctx, "/checkpoint")
	if err != nil {
		return nil, err
	}
	c, _, err := verify.ParseCheckpoint(data)
	return &publishedHead{client, c}, err
}

// rootAt computes the root that the tree under a head had at an earlier size,
// from the node's tiles (C2SP tlog-tiles), each of which must belong to the
// head's root.
func (h *publishedHead) rootAt(ctx context.Context, size uint64) ([32]byte, error) {
	tree := tlog.Tree{N: int64(h.Size), Hash: tlog.Hash(h.Root)}
	root, err := tlog.TreeHash(int64(size), tlog.TileHashReader(tree, tileReader{ctx, h.client}))
	return root, err
}

// tileReader reads hash tiles of a node.
type tileReader struct {
	ctx    context.Context
	client *node.Client
}

// Height is that of C2SP tlog-tiles.
func (r tileReader) Height() int { return 8 }

func (r tileReader) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		// The path of the Go checksum database has the height in it, the standard's has not.
		b, err := r.client.Get(r.ctx, "/"+strings.Replace(t.Path(), "tile/8/", "tile/", 1))
		if err != nil {
			return nil, err
		}
		data = append(data, b)
	}
	return data, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
