package postgres

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"parley/internal/store/sqlstore"
)

// Codes of PostgreSQL (appendix "PostgreSQL Error Codes").
const (
	divisionByZero       = "22012"
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	diskFull             = "53100"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
)

const unreachable = "the PostgreSQL database cannot be reached"

// diagnose tells what an error says about the database.
func diagnose(err error) sqlstore.Diagnosis {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return diagnoseCode(said.Code)
	}
	if lost(err) {
		return sqlstore.Diagnosis{Unavailable: unreachable}
	}
	return sqlstore.Diagnosis{}
}

func diagnoseCode(code string) sqlstore.Diagnosis {
	switch {
	case code == serializationFailure, code == deadlockDetected:
		return sqlstore.Diagnosis{Again: true}
	case code == uniqueViolation:
		// Another node has made the row that this batch did not find; the
		// next load finds it.
		return sqlstore.Diagnosis{Again: true, Taken: true}
	case code == divisionByZero: // see changeText
		return sqlstore.Diagnosis{Stale: true}
	case code == diskFull:
		return sqlstore.Diagnosis{Unavailable: "the disk of the PostgreSQL database is full"}
	case code == readOnlyTransaction:
		return sqlstore.Diagnosis{Unavailable: "the PostgreSQL database is read-only; is it a standby?"}
	case code == lockNotAvailable, code == queryCanceled:
		return sqlstore.Diagnosis{Unavailable: "the PostgreSQL database is too busy"}
	case strings.HasPrefix(code, "53"):
		return sqlstore.Diagnosis{Unavailable: "the PostgreSQL database is out of resources"}
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"):
		return sqlstore.Diagnosis{Unavailable: unreachable}
	case strings.HasPrefix(code, "28"), code == "3D000":
		return sqlstore.Diagnosis{Unavailable: "the PostgreSQL database refuses the login"}
	case strings.HasPrefix(code, "58"):
		return sqlstore.Diagnosis{Unavailable: "the disk of the PostgreSQL database fails"}
	default:
		return sqlstore.Diagnosis{}
	}
}

// lost reports whether an error is of the way to the database.
func lost(err error) bool {
	var gone lostError
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &gone) || errors.As(err, &connecting) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}

func readOnly(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == readOnlyTransaction
}
