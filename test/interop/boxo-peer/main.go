// A bitswap peer on Go's own implementation (ipfs/boxo on go-libp2p), driven by JSON lines on standard input and output.
// The same commands are understood by the other peers of the benchmarks and the interoperability tests, so that each
// contender is the same program in another implementation; test/perf/peers/README.md describes them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

type request struct {
	ID json.Number     `json:"id"`
	Op string          `json:"op"`
	In json.RawMessage `json:"in"`
}

type answer struct {
	ID    json.Number `json:"id"`
	Out   any         `json:"out,omitempty"`
	Error string      `json:"error,omitempty"`
}

// lines writes one answer a line; commands end in any order.
type lines struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (l *lines) write(a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.enc.Encode(a); err != nil {
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(version())
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &lines{enc: json.NewEncoder(os.Stdout)}
	p := newPeer(ctx)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			out.write(answer{Error: err.Error()})
			continue
		}
		go func() {
			result, err := p.handle(r)
			if err != nil {
				out.write(answer{ID: r.ID, Error: err.Error()})
				return
			}
			out.write(answer{ID: r.ID, Out: result})
		}()
	}
	p.close()
}

// version names the boxo and go-libp2p that were linked.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	found := map[string]string{}
	for _, dep := range info.Deps {
		found[dep.Path] = dep.Version
	}
	return fmt.Sprintf("boxo %s, go-libp2p %s, %s",
		found["github.com/ipfs/boxo"], found["github.com/libp2p/go-libp2p"], info.GoVersion)
}

func (p *boxoPeer) handle(r request) (any, error) {
	switch r.Op {
	case "listen":
		return run(r, p.listen)
	case "connect":
		return run(r, p.connect)
	case "put":
		return run(r, p.put)
	case "load":
		return run(r, p.load)
	case "announce":
		return run(r, p.announce)
	case "want":
		return run(r, func(in wantIn) (any, error) { return p.want(r.ID.String(), in) })
	case "cancel":
		return run(r, p.cancelWant)
	case "held":
		return run(r, p.held)
	case "sum":
		return run(r, p.sum)
	case "stats":
		return p.stats()
	}
	return nil, fmt.Errorf("no command %q", r.Op)
}

func run[In any](r request, do func(In) (any, error)) (any, error) {
	var in In
	if len(r.In) > 0 {
		if err := json.Unmarshal(r.In, &in); err != nil {
			return nil, err
		}
	}
	return do(in)
}
