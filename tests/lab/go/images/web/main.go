// Command web is the lab's sample app: a page that says which release it is, and a health route.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<title>web {{.Version}}</title>
<h1>web {{.Version}}</h1>
<p>commit <code>{{.Commit}}</code></p>
<p>{{.Greeting}}</p>
`))

type release struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Greeting string `json:"greeting"`
	Temporal string `json:"temporal"`
}

func main() {
	if os.Getenv("CRASH") != "" {
		log.Fatal("web: refusing to start: CRASH is set in this image")
	}
	// Any other argument is for a shell that this image does not have: it serves all the same.
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "run:") {
		os.Exit(script(os.Args[1], os.Args[2:]))
	}
	if os.Getenv("EAT_MEMORY") != "" {
		eatMemory()
	}
	readyAfter, _ := strconv.Atoi(os.Getenv("READY_AFTER_SECONDS"))
	readyAt := time.Now().Add(time.Duration(readyAfter) * time.Second)
	serving := release{
		Version:  os.Getenv("VERSION"),
		Commit:   os.Getenv("COMMIT"),
		Greeting: os.Getenv("GREETING"),
		Temporal: os.Getenv("TEMPORAL_SERVER_ADDRESS"),
	}

	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("content-type", "text/html; charset=utf-8")
		if err := page.Execute(w, serving); err != nil {
			log.Printf("web: writing the page: %v", err)
		}
	})
	http.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(readyAt) {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		answer(w, map[string]string{"status": "ok"})
	})
	http.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { answer(w, serving) })

	listen(&http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second})
}

// script is what stands for the scripts that a team's `npm run` has.
func script(name string, args []string) int {
	fmt.Printf("%s of %s with %q\n", name, os.Getenv("COMMIT"), args)
	switch name {
	case "run:say-greeting":
		fmt.Println("greeting:", os.Getenv("GREETING"))
	case "run:fail":
		fmt.Println("failing as asked")
		return 3
	case "run:wait":
		stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		<-stop.Done()
		return 143
	default:
		return 127
	}
	return 0
}

// eatMemory touches every page it takes, until the kernel ends the process.
func eatMemory() {
	log.Print("web: taking memory until there is none: EAT_MEMORY is set")
	var eaten [][]byte
	for {
		block := make([]byte, 1<<20)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		eaten = append(eaten, block)
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("content-type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("web: writing an answer: %v", err)
	}
}

// listen serves until SIGTERM, then lets requests in flight end: as PID 1 the default action would be to ignore it.
func listen(server *http.Server) {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	// Before it can die of a taken port: its last words are to have the version in any case.
	log.Printf("web %s listens on %s", os.Getenv("VERSION"), server.Addr)
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-stop.Done()
	drain, cancelDrain := context.WithTimeout(context.Background(), time.Second)
	defer cancelDrain()
	if err := server.Shutdown(drain); err != nil {
		log.Printf("web: stopping: %v", err)
	}
}
