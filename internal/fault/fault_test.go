package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/internal/fault"
)

func TestMessageHidesCause(t *testing.T) {
	secret := errors.New("password=hunter2")
	err := fmt.Errorf("outer: %w", fault.Wrap(secret, fault.Unavailable, "the store cannot be written"))
	if got := fault.Message(err); got != "the store cannot be written" {
		t.Errorf("Message = %q", got)
	}
	if !strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the log face lost its cause: %v", err)
	}
	if !errors.Is(err, secret) {
		t.Error("the cause cannot be unwrapped")
	}
}

func TestKinds(t *testing.T) {
	tests := []struct {
		err     error
		kind    fault.Kind
		status  int
		message string
	}{
		{nil, "", 200, ""},
		{errors.New("x"), fault.Internal, 500, "something went wrong on our side"},
		{fault.Field("app.secret", "is empty; give one"), fault.Invalid, 400, "app.secret: is empty; give one"},
		{fault.New(fault.NotFound, "no channel %q", "web"), fault.NotFound, 404, `no channel "web"`},
	}
	for _, tt := range tests {
		kind := fault.KindOf(tt.err)
		if kind != tt.kind || fault.HTTPStatus(kind) != tt.status || fault.Message(tt.err) != tt.message {
			t.Errorf("%v: got %q %d %q", tt.err, kind, fault.HTTPStatus(kind), fault.Message(tt.err))
		}
	}
	if fault.Is(nil, fault.Internal) || !fault.Is(errors.New("x"), fault.Internal) {
		t.Error("Is disagrees with KindOf")
	}
}
