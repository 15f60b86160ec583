package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/client"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	exchange "github.com/ipfs/boxo/exchange"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/sys/unix"
)

// Flow-go's names for the blob channels of the staked network and of observers (`network/channels/channels.go`).
const (
	stakedChannel = "execution-data-service"
	publicChannel = "public-execution-data-service"
)

const connectLimit = 60 * time.Second

type boxoPeer struct {
	ctx     context.Context
	host    *countedHost
	store   *memoryStore
	counter *counter
	bitswap *bitswap.Bitswap
	shared  exchange.Fetcher
	mu      sync.Mutex
	wants   map[string]context.CancelFunc
}

func newPeer(ctx context.Context) *boxoPeer {
	return &boxoPeer{ctx: ctx, store: newMemoryStore(), counter: newCounter(), wants: map[string]context.CancelFunc{}}
}

func (p *boxoPeer) close() {
	if p.bitswap != nil {
		_ = p.bitswap.Close()
		_ = p.host.Close()
	}
}

type listenIn struct {
	Security string `json:"security"`
	// Blocks that a fetcher keeps; below 0: all.
	Keep *int `json:"keep"`
	// celestia-node's timeouts: how long an asked peer may take before another is asked.
	Patient bool `json:"patient"`
	// "public": the observers' channel; "plain": bitswap without a prefix, and an Ed25519 key, which every libp2p reads.
	Channel string `json:"channel"`
}

func (p *boxoPeer) listen(in listenIn) (any, error) {
	if in.Keep != nil {
		p.store.keep = *in.Keep
	}
	private, point, err := newKey(in.Channel == "plain")
	if err != nil {
		return nil, err
	}
	id, err := peer.IDFromPrivateKey(private)
	if err != nil {
		return nil, err
	}
	options := []libp2p.Option{
		libp2p.Identity(private),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.DisableRelay(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
	}
	if in.Security != "noise" {
		options = append(options, libp2p.Security(libp2ptls.ID, libp2ptls.New))
	}
	if in.Security != "tls" {
		options = append(options, libp2p.Security(noise.ID, noise.New))
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return nil, err
	}
	p.host = &countedHost{Host: h}
	p.bitswap = p.newBitswap(in)
	p.shared = p.bitswap.NewSession(p.ctx)
	port, err := portOf(h.Addrs())
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"peerId":    id.String(),
		"publicKey": hex.EncodeToString(point),
		"port":      port,
		"version":   version(),
	}, nil
}

func (p *boxoPeer) newBitswap(in listenIn) *bitswap.Bitswap {
	options := []bitswap.Option{bitswap.WithTracer(p.counter)}
	if in.Patient {
		config := client.DefaultDontHaveTimeoutConfig()
		config.MessageLatencyAlpha = 0.2
		config.MessageLatencyMultiplier = 4
		config.MinTimeout = time.Second
		config.MaxTimeout = 30 * time.Second
		options = append(options, bitswap.WithClientOption(client.WithDontHaveTimeoutConfig(config)))
	}
	prefix := protocol.ID(stakedChannel)
	switch in.Channel {
	case "public":
		prefix = publicChannel
	case "plain":
		prefix = ""
	}
	net := bsnet.NewFromIpfsHost(p.host, bsnet.Prefix(prefix))
	return bitswap.New(p.ctx, net, nil, p.store, options...)
}

func portOf(addresses []multiaddr.Multiaddr) (int, error) {
	for _, address := range addresses {
		if port, err := address.ValueForProtocol(multiaddr.P_TCP); err == nil {
			return strconv.Atoi(port)
		}
	}
	return 0, errors.New("no TCP address")
}

type nodeIn struct {
	PeerID string `json:"peerId"`
	Port   int    `json:"port"`
}

type connectIn struct {
	Nodes []nodeIn `json:"nodes"`
}

// connect ends when there is a connection to every node of the list. Of a pair the lower peer id dials.
func (p *boxoPeer) connect(in connectIn) (any, error) {
	ctx, cancel := context.WithTimeout(p.ctx, connectLimit)
	defer cancel()
	own := p.host.ID().String()
	expected := []peer.ID{}
	for _, node := range in.Nodes {
		if node.PeerID == own {
			continue
		}
		id, err := peer.Decode(node.PeerID)
		if err != nil {
			return nil, err
		}
		expected = append(expected, id)
		if node.PeerID < own {
			continue
		}
		address, err := multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", node.Port))
		if err != nil {
			return nil, err
		}
		if err := p.host.Connect(ctx, peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{address}}); err != nil {
			return nil, err
		}
	}
	for _, id := range expected {
		for p.host.Network().Connectedness(id) != network.Connected {
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("no connection to %s", id)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return map[string]any{"connections": len(expected)}, nil
}

type putIn struct {
	From  uint32 `json:"from"`
	Count int    `json:"count"`
	Size  int    `json:"size"`
}

func (p *boxoPeer) put(in putIn) (any, error) {
	if in.Size < 8 || in.Size > maxBlobBytes {
		return nil, fmt.Errorf("blobs of %d bytes are not made", in.Size)
	}
	cids := make([]string, in.Count)
	for at := range cids {
		b, err := makeBlock(in.From+uint32(at), in.Size)
		if err != nil {
			return nil, err
		}
		if err := p.store.Put(p.ctx, b); err != nil {
			return nil, err
		}
		cids[at] = digestOf(b.Cid())
	}
	return map[string]any{"cids": cids}, nil
}

type cidsIn struct {
	Cids []string `json:"cids"`
}

func (p *boxoPeer) announce(in cidsIn) (any, error) {
	made := make([]blocks.Block, 0, len(in.Cids))
	for _, text := range in.Cids {
		c, err := parseCid(text)
		if err != nil {
			return nil, err
		}
		b, err := p.store.Get(p.ctx, c)
		if err != nil {
			return nil, err
		}
		made = append(made, b)
	}
	return map[string]any{}, p.bitswap.NotifyNewBlocks(p.ctx, made...)
}

type wantIn struct {
	Cids []string `json:"cids"`
	// `each`: a session for every CID; `shared`: one for all wants of the process; otherwise one for this want.
	Session  string `json:"session"`
	InFlight int    `json:"inFlight"`
}

// want fetches, stores and notifies, as boxo's block service does; it answers when all is stored.
func (p *boxoPeer) want(id string, in wantIn) (any, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	p.mu.Lock()
	p.wants[id] = cancel
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.wants, id)
		p.mu.Unlock()
		cancel()
	}()
	startedAt := monotonicMs()
	cids := make([]cid.Cid, len(in.Cids))
	places := map[string]int{}
	for at, text := range in.Cids {
		c, err := parseCid(text)
		if err != nil {
			return nil, err
		}
		cids[at] = c
		places[string(c.Hash())] = at
		p.counter.expect(string(c.Hash()))
	}
	storedAt := make([]float64, len(cids))
	err := p.fetchAll(ctx, in, cids, func(b blocks.Block) {
		storedAt[places[string(b.Cid().Hash())]] = monotonicMs()
	})
	if err != nil {
		for hash := range places {
			p.counter.forget(hash)
		}
		return nil, err
	}
	return map[string]any{"startedAt": startedAt, "storedAt": storedAt}, nil
}

func (p *boxoPeer) fetchAll(ctx context.Context, in wantIn, cids []cid.Cid, stored func(blocks.Block)) error {
	session := p.shared
	if in.Session != "shared" {
		session = p.bitswap.NewSession(ctx)
	}
	keep := func(b blocks.Block) error {
		if err := p.store.Put(ctx, b); err != nil {
			return err
		}
		if err := p.bitswap.NotifyNewBlocks(ctx, b); err != nil {
			return err
		}
		stored(b)
		return nil
	}
	if in.InFlight == 1 || in.Session == "each" {
		for _, c := range cids {
			if in.Session == "each" {
				session = p.bitswap.NewSession(ctx)
			}
			b, err := session.GetBlock(ctx, c)
			if err != nil {
				return err
			}
			if err := keep(b); err != nil {
				return err
			}
		}
		return nil
	}
	arriving, err := session.GetBlocks(ctx, cids)
	if err != nil {
		return err
	}
	missing := len(cids)
	for b := range arriving {
		if err := keep(b); err != nil {
			return err
		}
		missing--
	}
	if missing > 0 {
		return fmt.Errorf("%d blocks are missing: %w", missing, context.Cause(ctx))
	}
	return nil
}

type cancelIn struct {
	Want json.Number `json:"want"`
}

func (p *boxoPeer) cancelWant(in cancelIn) (any, error) {
	p.mu.Lock()
	cancel, ok := p.wants[in.Want.String()]
	p.mu.Unlock()
	if ok {
		cancel()
	}
	return map[string]any{"found": ok}, nil
}

func (p *boxoPeer) stats() (any, error) {
	if p.bitswap == nil {
		return nil, errors.New("listen first")
	}
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	open, most := p.host.open()
	own, err := p.bitswap.Stat()
	if err != nil {
		return nil, err
	}
	inbound, outbound := p.host.inbound.Load(), p.host.outbound.Load()
	return map[string]any{
		"payloadBytes": p.counter.payload,
		"blobs": map[string]int64{
			"received": p.counter.blocks.received, "duplicate": p.counter.blocks.duplicate, "sent": p.counter.blocks.sent,
		},
		"messages": p.counter.messages,
		"streams": map[string]int64{
			"opened": inbound + outbound, "inbound": inbound, "outbound": outbound,
			"open": int64(open), "openPerPeer": int64(most),
		},
		"liveWants": len(own.Wantlist),
		"own":       map[string]uint64{"duplicateBytes": own.DupDataReceived, "receivedBytes": own.DataReceived},
	}, nil
}

func monotonicMs() float64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return float64(now.Nano()) / 1e6
}
