package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
)

// The bare bot is the yardstick of the channel to Mattermost: it does what any
// bot must do, answer what it hears, and nothing else. It stores nothing, asks
// nothing, and forgets what it did not hear. It runs as a process of its own,
// like the product.

// serveBareBot answers until its WebSocket ends. It reads who it is from the
// environment.
func serveBareBot() error {
	server, token, me := os.Getenv("BENCH_SERVER"), os.Getenv("BENCH_TOKEN"), os.Getenv("BENCH_ID")
	o, err := observe(context.Background(), server, token)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for h := range o.heard {
		if h.UserID == me || h.System() {
			continue
		}
		root := h.RootID
		if root == "" && !h.direct {
			root = h.ID
		}
		go func() {
			if err := postBare(server, token, h.ChannelID, root); err != nil {
				fmt.Fprintln(os.Stderr, "bare bot:", err)
			}
		}()
	}
	return o.err
}

func postBare(server, token, room, root string) error {
	text, err := json.Marshal(map[string]string{"channel_id": room, "root_id": root, "message": answer})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, server+"/api/v4/posts", bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if res.StatusCode != http.StatusCreated {
		err = errors.Join(err, errors.New(res.Status))
	}
	return errors.Join(err, res.Body.Close())
}
