// The workloads of bench/README.md in Go: an actor is a goroutine, its mailbox a channel.
//
// Usage: go-bench WORKLOAD N SCHEDULERS
//
// Mailboxes are bounded, as a Go programmer would make them: capacity 1 where one message is on
// its way at most, 1024 where a queue may build up.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	tagPing = iota
	tagPong
	tagInc
	tagGet
)

// message is what every peer sends: a tag, one 64-bit integer, and where to answer.
type message struct {
	tag   int
	value int64
	reply chan message
}

var schedulers int

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	micros := usage.Utime.Usec + usage.Stime.Usec
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(micros)/1e6
}

func report(workload string, n int, wall, cpu float64, extra string) {
	ops := float64(n)
	fmt.Printf("%s go %d %d %.2f %.2f extra=%s\n", workload, schedulers, n, wall*1e9/ops, cpu*1e9/ops, extra)
}

func measure(workload string, n int, body func()) {
	runtime.GC()
	cpu, start := cpuSeconds(), time.Now()
	body()
	wall := time.Since(start).Seconds()
	report(workload, n, wall, cpuSeconds()-cpu, "")
}

func pingpong(n int) {
	ping, pong, done := make(chan message, 1), make(chan message, 1), make(chan struct{})
	go func() {
		for m := range pong {
			m.reply <- message{tag: tagPong, value: m.value}
		}
	}()
	go func() {
		for k := n; k > 0; k-- {
			pong <- message{tagPing, int64(k), ping}
			<-ping
		}
		close(done)
	}()
	<-done
}

func counting(n int) {
	inbox, answer := make(chan message, 1024), make(chan message)
	go func() {
		var count int64
		for m := range inbox {
			switch m.tag {
			case tagInc:
				count++
			case tagGet:
				m.reply <- message{value: count}
				return
			}
		}
	}()
	go func() {
		for k := 0; k < n; k++ {
			inbox <- message{tag: tagInc, value: int64(k)}
		}
		inbox <- message{tag: tagGet, reply: answer}
	}()
	if m := <-answer; m.value != int64(n) {
		panic("messages were lost")
	}
}

func threadring(n int) {
	const size = 503
	var ring [size]chan int64
	for k := range ring {
		ring[k] = make(chan int64, 1)
	}
	done := make(chan struct{})
	for k := range ring {
		inbox, next := ring[k], ring[(k+1)%size]
		go func() {
			for hops := range inbox {
				if hops == 0 {
					close(done)
					return
				}
				next <- hops - 1
			}
		}()
	}
	ring[0] <- int64(n)
	<-done
}

func forkjoin(n int) {
	var live sync.WaitGroup
	live.Add(n)
	for k := 0; k < n; k++ {
		inbox := make(chan int64, 1)
		go func() {
			<-inbox
			live.Done()
		}()
		inbox <- int64(k)
	}
	live.Wait()
}

func big(n int) {
	const actors = 120
	var inboxes [actors]chan message
	for k := range inboxes {
		inboxes[k] = make(chan message, 2*actors)
	}
	var busy sync.WaitGroup
	busy.Add(actors)
	for k := range inboxes {
		go bigActor(inboxes[:], k, n/actors, &busy)
	}
	busy.Wait()
}

func bigActor(inboxes []chan message, me, left int, busy *sync.WaitGroup) {
	seed := uint32(me*7919 + 1)
	ping := func() {
		seed = seed*1103515245 + 12345
		inboxes[(seed>>8)%uint32(len(inboxes))] <- message{tagPing, int64(me), inboxes[me]}
	}
	ping()
	for m := range inboxes[me] {
		if m.tag == tagPing {
			m.reply <- message{tag: tagPong}
		} else if left--; left == 0 {
			busy.Done()
		} else {
			ping()
		}
	}
}

func fanin(n int) {
	const senders = 100
	inbox, done := make(chan message, 1024), make(chan struct{})
	go func() {
		for k := 0; k < n; k++ {
			<-inbox
		}
		close(done)
	}()
	for s := 0; s < senders; s++ {
		go func() {
			for k := 0; k < n/senders; k++ {
				inbox <- message{tag: tagInc, value: int64(k)}
			}
		}()
	}
	<-done
}

func residentBytes() int {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
	return pages * os.Getpagesize()
}

func idle(n int) {
	runtime.GC()
	resident, cpu, start := residentBytes(), cpuSeconds(), time.Now()
	inboxes := make([]chan message, n)
	for k := range inboxes {
		inbox := make(chan message, 1)
		inboxes[k] = inbox
		go func() {
			for m := range inbox {
				m.reply <- m
			}
		}()
	}
	wall, cpu := time.Since(start).Seconds(), cpuSeconds()-cpu
	time.Sleep(500 * time.Millisecond)
	bytes := (residentBytes() - resident) / n
	answer := make(chan message, 1)
	inboxes[n-1] <- message{reply: answer}
	<-answer
	report("idle", n, wall, cpu, fmt.Sprintf("bytes:%d", bytes))
	runtime.KeepAlive(inboxes)
}

func timers(n int) {
	var left, latest atomic.Int64
	left.Store(int64(n))
	done := make(chan struct{})
	seed := uint32(12345)
	cpu, start := cpuSeconds(), time.Now()
	for k := 0; k < n; k++ {
		seed = seed*1103515245 + 12345
		delay := time.Duration((seed>>8)%1001) * time.Millisecond
		due := time.Since(start) + delay
		time.AfterFunc(delay, func() {
			late := int64(time.Since(start) - due)
			for seen := latest.Load(); late > seen && !latest.CompareAndSwap(seen, late); {
				seen = latest.Load()
			}
			if left.Add(-1) == 0 {
				close(done)
			}
		})
	}
	<-done
	wall := time.Since(start).Seconds()
	report("timers", n, wall, cpuSeconds()-cpu, fmt.Sprintf("late_ms:%.1f", float64(latest.Load())/1e6))
}

// request answers over a channel made for it, Go's idiom in place of a selective receive; the
// waiting messages sit in the requester's ordinary inbox.
func request(workload string, n, waiting int) {
	inbox := make(chan message, waiting+1)
	for k := 0; k < waiting; k++ {
		inbox <- message{tag: tagInc, value: int64(k)}
	}
	server, done := make(chan message, 1), make(chan struct{})
	go func() {
		for m := range server {
			m.reply <- message{tag: tagPong, value: m.value}
		}
	}()
	measure(workload, n, func() {
		go func() {
			for k := 0; k < n; k++ {
				answer := make(chan message, 1)
				server <- message{tagPing, int64(k), answer}
				<-answer
			}
			close(done)
		}()
		<-done
	})
	runtime.KeepAlive(inbox)
}

func channel(n, producers, capacity int) {
	items := make(chan int64, capacity)
	for p := 0; p < producers; p++ {
		go func() {
			for k := 0; k < n/producers; k++ {
				items <- int64(k)
			}
		}()
	}
	for k := 0; k < n/producers*producers; k++ {
		<-items
	}
}

func skynetNode(parent chan int64, number, size int64) {
	if size == 1 {
		parent <- number
		return
	}
	children := make(chan int64, 10)
	for k := int64(0); k < 10; k++ {
		go skynetNode(children, number+k*size/10, size/10)
	}
	var sum int64
	for k := 0; k < 10; k++ {
		sum += <-children
	}
	parent <- sum
}

func skynet(n int) {
	for size := n; size != 1; size /= 10 {
		if size%10 != 0 {
			panic("skynet needs a power of ten")
		}
	}
	result := make(chan int64, 1)
	go skynetNode(result, 0, int64(n))
	if sum := <-result; sum != int64(n)*int64(n-1)/2 {
		panic("wrong sum")
	}
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go-bench WORKLOAD N SCHEDULERS")
		os.Exit(2)
	}
	workload := os.Args[1]
	n, _ := strconv.Atoi(os.Args[2])
	schedulers, _ = strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(schedulers)
	bodies := map[string]func(){
		"pingpong":   func() { pingpong(n) },
		"counting":   func() { counting(n) },
		"threadring": func() { threadring(n) },
		"forkjoin":   func() { forkjoin(n) },
		"big":        func() { big(n) },
		"fanin":      func() { fanin(n) },
		"mpsc":       func() { channel(n, 4, 1024) },
		"spsc":       func() { channel(n, 1, 1024) },
		"unbounded":  func() { channel(n, 1, n) },
		"skynet":     func() { skynet(n) },
	}
	waiting := map[string]int{"request": 0, "request10k": 10000, "request1m": 1000000}
	if body, found := bodies[workload]; found {
		measure(workload, n, body)
	} else if messages, found := waiting[workload]; found {
		request(workload, n, messages)
	} else if workload == "idle" {
		idle(n)
	} else if workload == "timers" {
		timers(n)
	} else {
		fmt.Fprintln(os.Stderr, "go-bench: no such workload:", workload)
		os.Exit(3)
	}
}
