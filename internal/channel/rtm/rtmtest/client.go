package rtmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Client is one person in one app.
type Client struct {
	// Base is the server's address, such as http://127.0.0.1:8080.
	Base string
	// App and Secret are the credential, Bot and BotName the bot.
	App, Secret, Bot, BotName string
	// User is the JWT's sub.
	User string
	// HTTP defaults to http.DefaultClient.
	HTTP *http.Client
}

// BotInfo is how every client names the bot.
type BotInfo struct {
	ChatBot   string `json:"chatBot"`
	TaskBotID string `json:"taskBotId"`
}

// Info names the client's bot.
func (c *Client) Info() BotInfo { return BotInfo{c.BotName, c.Bot} }

// Granted is the answer of a grant, as far as clients read it.
type Granted struct {
	Authorization struct {
		AccessToken string `json:"accessToken"`
		TokenType   string `json:"token_type"`
		ExpiresDate string `json:"expiresDate"`
		IssuedDate  string `json:"issuedDate"`
	} `json:"authorization"`
	UserInfo struct {
		UserID    string `json:"userId"`
		AccountID string `json:"accountId"`
		OrgID     string `json:"orgId"`
		Identity  string `json:"identity"`
	} `json:"userInfo"`
}

// Refusal is an error answer of the server.
type Refusal struct {
	Status int
	Errors []struct {
		Msg        string          `json:"msg"`
		Code       json.RawMessage `json:"code"`
		HTTPStatus string          `json:"httpStatus"`
	} `json:"errors"`
}

// Error gives status and first message.
func (r *Refusal) Error() string {
	if len(r.Errors) == 0 {
		return fmt.Sprintf("status %d without an errors array", r.Status)
	}
	return fmt.Sprintf("status %d: %s (code %s)", r.Status, r.Errors[0].Msg, r.Errors[0].Code)
}

// Status returns the HTTP status of a refusal in err's chain, or 0.
func Status(err error) int {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}

// JWT signs what the customer's JWT service would: HS256, for an hour. change,
// if not nil, alters the claims first.
func (c *Client) JWT(change func(jwt.MapClaims)) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": c.App, "sub": c.User, "aud": "https://idproxy.kore.com/authorize",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "isAnonymous": false,
	}
	if change != nil {
		change(claims)
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.Secret))
}

type botInfoBody struct {
	Assertion string   `json:"assertion,omitempty"`
	BotInfo   BotInfo  `json:"botInfo"`
	Token     struct{} `json:"token"`
}

// Grant exchanges a fresh JWT for an access token, in the form of web SDK
// 10.1.12.
func (c *Client) Grant(ctx context.Context) (Granted, error) {
	token, err := c.JWT(nil)
	if err != nil {
		return Granted{}, err
	}
	return c.GrantJWT(ctx, token)
}

// GrantJWT exchanges the given JWT.
func (c *Client) GrantJWT(ctx context.Context, token string) (Granted, error) {
	var g Granted
	err := c.post(ctx, "/api/oAuth/token/jwtgrant", "", botInfoBody{Assertion: token, BotInfo: c.Info()}, &g)
	return g, err
}

// Start asks for a socket's address. query is appended to the path as Android
// does when it reconnects, such as "isReconnect=true", or empty.
func (c *Client) Start(ctx context.Context, token, query string) (string, error) {
	path := "/api/rtm/start"
	if query != "" {
		path += "?" + query
	}
	var answer struct {
		URL string `json:"url"`
	}
	err := c.post(ctx, path, token, botInfoBody{BotInfo: c.Info()}, &answer)
	return answer.URL, err
}

// Connect starts and opens a socket. flags are appended to the socket's address
// with "&", such as "isReconnect=true", or empty.
func (c *Client) Connect(ctx context.Context, token, flags string) (*Socket, error) {
	address, err := c.Start(ctx, token, "")
	if err != nil {
		return nil, err
	}
	if flags != "" {
		address += "&" + flags
	}
	return Dial(ctx, address, DialOptions{HTTP: c.HTTP, Bot: c.Info()})
}

// Login does everything a page does when it opens its window.
func (c *Client) Login(ctx context.Context) (*Socket, Granted, error) {
	g, err := c.Grant(ctx)
	if err != nil {
		return nil, g, err
	}
	s, err := c.Connect(ctx, g.Authorization.AccessToken, "")
	return s, g, err
}

// History is a page of the history endpoint.
type History struct {
	Total         int64         `json:"total"`
	MoreAvailable *bool         `json:"moreAvailable"`
	Icon          string        `json:"icon"`
	Messages      []HistoryItem `json:"messages"`
}

// HistoryItem is one message of a page.
type HistoryItem struct {
	ID         string `json:"_id"`
	Type       string `json:"type"`
	CreatedOn  string `json:"createdOn"`
	Components []struct {
		Type string `json:"cT"`
		Data struct {
			Text *string `json:"text"`
		} `json:"data"`
	} `json:"components"`
	Tags *struct {
		AltText []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"altText"`
	} `json:"tags"`
}

// Text is the first component's text.
func (i HistoryItem) Text() string {
	if len(i.Components) == 0 || i.Components[0].Data.Text == nil {
		return ""
	}
	return *i.Components[0].Data.Text
}

// History reads a page. query holds more than botId, such as "limit=10".
func (c *Client) History(ctx context.Context, token, query string) (History, error) {
	path := "/api/botmessages/rtm?botId=" + url.QueryEscape(c.Bot)
	if query != "" {
		path += "&" + query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, nil)
	if err != nil {
		return History{}, err
	}
	var h History
	return h, c.do(req, token, &h)
}

func (c *Client) post(ctx context.Context, path, token string, body, answer any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.Post(ctx, path, token, "application/json", raw, answer)
}

// Post sends any body. answer may be nil.
func (c *Client) Post(ctx context.Context, path, token, contentType string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return c.do(req, token, answer)
}

func (c *Client) do(req *http.Request, token string, answer any) error {
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
		return fmt.Errorf("%s %s answered %d with content type %q, and clients need JSON", req.Method, req.URL.Path, resp.StatusCode, kind)
	}
	if resp.StatusCode != http.StatusOK {
		r := &Refusal{Status: resp.StatusCode}
		if err := json.Unmarshal(body, r); err != nil {
			return fmt.Errorf("status %d with a body that is not JSON: %w", resp.StatusCode, err)
		}
		return r
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(body, answer)
}
