package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// The yardsticks are servers that do the least any durable chat server must do,
// so that a ratio to them says what the product adds. They run as a process of
// their own (this program with the yardstick's name as its first argument), like
// the product, and speak just enough of the RTM frames for the same load.
//
//	echo  sends ack and answer, stores nothing
//	log   appends the message, fsyncs, acks; appends the answer, fsyncs, answers
//	log1  appends message and answer together, fsyncs, acks and answers
//
// Appends of all connections share an fsync, as in any server that wants to be
// fast.

// serveYardstick runs until the process is killed. It prints its address.
func serveYardstick(name, dir string) error {
	serve, err := yardstickTurn(name, dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w, err := acceptWire(rw, req)
		if err != nil {
			return
		}
		defer w.conn.Close()
		for {
			frame, err := w.read()
			if err != nil || serve(w, frame) != nil {
				return
			}
		}
	}))
}

func yardstickTurn(name, dir string) (func(*wire, []byte) error, error) {
	if name == "echo" {
		return func(w *wire, frame []byte) error {
			return errors.Join(w.send(ackOf(frame)), w.send(answerTo(frame)))
		}, nil
	}
	file, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	l := newSyncedLog(file)
	switch name {
	case "log":
		return func(w *wire, frame []byte) error {
			ack, answer := ackOf(frame), answerTo(frame)
			if err := l.append(frame); err != nil {
				return err
			}
			if err := w.send(ack); err != nil {
				return err
			}
			if err := l.append(answer); err != nil {
				return err
			}
			return w.send(answer)
		}, nil
	case "log1":
		return func(w *wire, frame []byte) error {
			ack, answer := ackOf(frame), answerTo(frame)
			if err := l.append(append(bytes.Clone(frame), answer...)); err != nil {
				return err
			}
			return errors.Join(w.send(ack), w.send(answer))
		}, nil
	}
	return nil, fmt.Errorf("no yardstick %q", name)
}

// idOf finds the client's id without parsing the frame.
func idOf(frame []byte) []byte {
	_, rest, ok := bytes.Cut(frame, []byte(`"id":`))
	if !ok {
		return []byte("0")
	}
	end := bytes.IndexAny(rest, ",}")
	return rest[:max(end, 0)]
}

func ackOf(frame []byte) []byte {
	return fmt.Appendf(nil, `{"ok":true,"replyto":%s,"message":"delivered","type":"ack"}`, idOf(frame))
}

// answerTo is about as long as the product's answer.
func answerTo(frame []byte) []byte {
	return fmt.Appendf(nil, `{"type":"bot_response","from":"bot","messageId":"ms-0192f3c4-1d2e-7abc-8def-0123456789ab-%s",`+
		`"createdOn":"2026-11-20T14:44:20.118Z","timestamp":1795185860118,"botInfo":{"chatBot":"Bench","taskBotId":"st-f74a3430-3b19-55a3-be41-1ab1a35c4685"},`+
		`"message":[{"type":"text","component":{"type":"text","payload":{"text":"Hello! This is the answer."}},"cInfo":{"body":"Hello! This is the answer."}}]}`, idOf(frame))
}

// syncedLog appends to a file; concurrent appends share an fsync.
type syncedLog struct {
	file *os.File

	mu      sync.Mutex
	pending []byte
	waiting []chan error
	writing bool
}

func newSyncedLog(f *os.File) *syncedLog { return &syncedLog{file: f} }

func (l *syncedLog) append(p []byte) error {
	done := make(chan error, 1)
	l.mu.Lock()
	l.pending = append(append(l.pending, p...), '\n')
	l.waiting = append(l.waiting, done)
	lead := !l.writing
	l.writing = true
	l.mu.Unlock()
	if lead {
		go l.write()
	}
	return <-done
}

func (l *syncedLog) write() {
	for {
		l.mu.Lock()
		batch, waiting := l.pending, l.waiting
		l.pending, l.waiting = nil, nil
		if len(waiting) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		_, err := l.file.Write(batch)
		if err == nil {
			err = l.file.Sync()
		}
		for _, done := range waiting {
			done <- err
		}
	}
}
