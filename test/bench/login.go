package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// httpClient keeps connections, as the clients of one machine behind a proxy
// would.
var httpClient = &http.Client{
	Timeout:   30 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 256},
}

func (p *product) call(method, path, token string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, p.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var why bytes.Buffer
		_, _ = why.ReadFrom(res.Body)
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, why.String())
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// grant signs a JWT for a user and trades it for an access token.
func (p *product) grant(user string) (string, error) {
	now := time.Now()
	assertion, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": p.demo.ClientID, "sub": user, "aud": "https://idproxy.kore.com/authorize",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "isAnonymous": false,
	}).SignedString([]byte(p.demo.Secret))
	if err != nil {
		return "", err
	}
	var granted struct {
		Authorization struct {
			AccessToken string `json:"accessToken"`
		} `json:"authorization"`
	}
	err = p.call("POST", "/api/oAuth/token/jwtgrant", "", map[string]any{"assertion": assertion, "botInfo": p.bot(), "token": map[string]any{}}, &granted)
	return granted.Authorization.AccessToken, err
}

func (p *product) bot() map[string]string {
	return map[string]string{"chatBot": p.demo.BotName, "taskBotId": p.demo.BotID}
}

// start gets a socket URL and opens it.
func (p *product) start(token string, local net.Addr) (*wire, error) {
	var started struct {
		URL string `json:"url"`
	}
	if err := p.call("POST", "/api/rtm/start", token, map[string]any{"botInfo": p.bot(), "token": map[string]any{}}, &started); err != nil {
		return nil, err
	}
	return dialWire(strings.Replace(started.URL, "ws", "http", 1), local)
}

// login is what a client does before its first message.
func (p *product) login(user string, local net.Addr) (*wire, error) {
	token, err := p.grant(user)
	if err != nil {
		return nil, err
	}
	return p.start(token, local)
}
