package app

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

func openPostgres(context.Context, string, *slog.Logger, func(int, time.Duration)) (engine, error) {
	return nil, errors.New("not yet")
}
func restorePostgres(context.Context, string, string) error { return errors.New("not yet") }
