package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ipfs/boxo/bitswap/message"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// payload counts block bytes where a message is read or written, never by what the store already had.
type payload struct {
	Received  int64 `json:"received"`
	Useful    int64 `json:"useful"`
	Duplicate int64 `json:"duplicate"`
	Partial   int64 `json:"partial"`
	Sent      int64 `json:"sent"`
}

type messages struct {
	Received int64 `json:"received"`
	Sent     int64 `json:"sent"`
}

// counter is boxo's tracer: it sees every message that is received, and those with blocks or presences that are sent.
type counter struct {
	mu       sync.Mutex
	wanted   map[string]struct{}
	payload  payload
	blocks   struct{ received, duplicate, sent int64 }
	messages messages
}

func newCounter() *counter { return &counter{wanted: map[string]struct{}{}} }

// expect must be called before the want leaves.
func (c *counter) expect(hash string) {
	c.mu.Lock()
	c.wanted[hash] = struct{}{}
	c.mu.Unlock()
}

func (c *counter) forget(hash string) {
	c.mu.Lock()
	delete(c.wanted, hash)
	c.mu.Unlock()
}

func (c *counter) MessageReceived(_ peer.ID, m message.BitSwapMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages.Received++
	for _, b := range m.Blocks() {
		size := int64(len(b.RawData()))
		c.payload.Received += size
		c.blocks.received++
		hash := string(b.Cid().Hash())
		if _, ok := c.wanted[hash]; ok {
			delete(c.wanted, hash)
			c.payload.Useful += size
		} else {
			c.payload.Duplicate += size
			c.blocks.duplicate++
		}
	}
}

func (c *counter) MessageSent(_ peer.ID, m message.BitSwapMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages.Sent++
	for _, b := range m.Blocks() {
		c.payload.Sent += int64(len(b.RawData()))
		c.blocks.sent++
	}
}

// countedHost counts the bitswap streams that are opened either way.
type countedHost struct {
	host.Host
	inbound  atomic.Int64
	outbound atomic.Int64
}

func isBitswap(id protocol.ID) bool { return strings.Contains(string(id), "/ipfs/bitswap") }

func (h *countedHost) NewStream(ctx context.Context, p peer.ID, ids ...protocol.ID) (network.Stream, error) {
	s, err := h.Host.NewStream(ctx, p, ids...)
	if err == nil && len(ids) > 0 && isBitswap(ids[0]) {
		h.outbound.Add(1)
	}
	return s, err
}

func (h *countedHost) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) {
		if isBitswap(id) {
			h.inbound.Add(1)
		}
		handler(s)
	})
}

// open counts the bitswap streams that are open now, and the most at one peer.
func (h *countedHost) open() (total, mostAtOnePeer int) {
	perPeer := map[peer.ID]int{}
	for _, conn := range h.Network().Conns() {
		for _, s := range conn.GetStreams() {
			if isBitswap(s.Protocol()) {
				total++
				perPeer[conn.RemotePeer()]++
			}
		}
	}
	for _, count := range perPeer {
		mostAtOnePeer = max(mostAtOnePeer, count)
	}
	return total, mostAtOnePeer
}
