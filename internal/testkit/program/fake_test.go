package program

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// The tests of this package need a program that behaves like parley and can be
// made to misbehave: this test binary, started with a command.
func fake(args []string) int {
	switch args[0] {
	case "version":
		fmt.Println("parley fake", os.Getenv("PARLEY_FAKE_WORD"), os.Getenv("PARLEY_LISTEN"))
		fmt.Fprintln(os.Stderr, "a warning")
		return 4
	case "serve":
		return fakeServe(args[1:])
	}
	return 2
}

func fakeServe(args []string) int {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "", "")
	data := flags.String("data", "", "")
	mode := flags.String("mode", "", "")
	flags.Parse(args)
	if *mode == "refuse" {
		fmt.Println("the key file does not fit the data")
		return 3
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		fmt.Println(err)
		return 1
	}
	// Each start leaves a line behind, as a store would.
	starts, err := os.OpenFile(filepath.Join(*data, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Fprintln(starts, "start")
	starts.Close()

	probes := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if probes++; probes < 3 {
			http.Error(w, "migrating", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: *listen, Handler: mux}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		fmt.Println("stopping")
		server.Close()
	}()
	fmt.Println("listening on", *listen)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Println(err)
		return 1
	}
	if *mode == "bad end" {
		return 5
	}
	return 0
}
