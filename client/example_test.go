package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/prakashpandey/vegadb"
	"github.com/prakashpandey/vegadb/client"
)

// start runs a node for the examples and returns a client of it, and what ends
// both. In your program a vega-server runs somewhere and Open is all there is.
func start() (*client.Client, func()) {
	cfg := vegadb.DefaultConfig()
	cfg.Addr, cfg.AdminAddr, cfg.InMemory = "127.0.0.1:0", "", true
	node, err := vegadb.Start(cfg)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Open(context.Background(), client.Options{Addresses: []string{node.Addr()}})
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		c.Close()
		node.Close(context.Background())
	}
}

func Example() {
	c, stop := start()
	defer stop()
	ctx := context.Background()

	if _, err := c.Put(ctx, "greeting", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	value, err := c.Get(ctx, "greeting")
	fmt.Printf("%s %v\n", value, err)

	_, err = c.Get(ctx, "farewell")
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// hello <nil>
	// true
}

func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := client.Open(ctx, client.Options{
		Addresses: []string{"127.0.0.1:1"}, // nobody listens there
		Username:  "ann",
		Password:  "s3cret",
		Timeout:   time.Second,
	})
	fmt.Println(errors.Is(err, client.ErrUnavailable))
	// Output: true
}

func ExampleClient_Put() {
	c, stop := start()
	defer stop()
	ctx := context.Background()

	_, err := c.Put(ctx, "lock", []byte("me"), client.IfAbsent(), client.WithTTL(time.Minute))
	fmt.Println(err)
	_, err = c.Put(ctx, "lock", []byte("you"), client.IfAbsent())
	fmt.Println(errors.Is(err, client.ErrAlreadyExists))
	// Output:
	// <nil>
	// true
}

// A read, a decision and a write that only holds if nobody came in between.
func ExampleClient_CompareAndPut() {
	c, stop := start()
	defer stop()
	ctx := context.Background()
	c.Put(ctx, "stock", []byte("3"))

	for {
		e, err := c.GetEntry(ctx, "stock")
		if err != nil {
			log.Fatal(err)
		}
		left, _ := strconv.Atoi(string(e.Value))
		if left == 0 {
			fmt.Println("sold out")
			return
		}
		_, err = c.CompareAndPut(ctx, "stock", e.Version, []byte(strconv.Itoa(left-1)))
		if errors.Is(err, client.ErrVersionMismatch) {
			continue // somebody else was faster: look again
		}
		fmt.Println(left-1, "left", err)
		return
	}
	// Output: 2 left <nil>
}

func ExampleClient_Increment() {
	c, stop := start()
	defer stop()
	ctx := context.Background()

	for range 3 { // at most so many per minute
		n, err := c.Increment(ctx, "requests:ann", 1, client.WithTTL(time.Minute))
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

func ExampleClient_Batch() {
	c, stop := start()
	defer stop()
	ctx := context.Background()

	// The tag in braces brings keys to one partition: applied together.
	var b client.Batch
	b.Put("{order:7}:state", []byte("paid"))
	b.Increment("{order:7}:changes", 1)
	b.Delete("{order:7}:reminder")
	results, err := c.Batch(ctx, &b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(results[0].Status, results[1].Int, results[2].Status)
	// Output: OK 1 NOT_FOUND
}

func ExampleClient_GetBatch() {
	c, stop := start()
	defer stop()
	ctx := context.Background()
	c.Put(ctx, "a", []byte("1"))

	keys := []string{"a", "b"}
	results, err := c.GetBatch(ctx, keys)
	if err != nil {
		log.Fatal(err)
	}
	for i, r := range results {
		fmt.Printf("%s: found %v, value %q\n", keys[i], r.Found(), r.Value)
	}
	// Output:
	// a: found true, value "1"
	// b: found false, value ""
}

func ExampleClient_Scan() {
	c, stop := start()
	defer stop()
	ctx := context.Background()
	c.Put(ctx, "user:ann", []byte("Ann"))
	c.Put(ctx, "order:1", nil)

	for entry, err := range c.Scan(ctx, client.WithPrefix("user:")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s = %s\n", entry.Key, entry.Value)
	}
	// Output: user:ann = Ann
}

// What to do with each kind of failure of a write.
func ExampleError() {
	c, stop := start()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	_, err := c.Increment(ctx, "balance", 100)
	var e *client.Error
	switch {
	case err == nil:
		fmt.Println("done")
	case errors.Is(err, client.ErrUnknownOutcome):
		fmt.Println("it may have happened: read before trying again")
	case errors.As(err, &e):
		fmt.Println("it has not happened:", e.Status, e.RetryAfter)
	}
	// Output: done
}

func ExampleWithReceipt() {
	c, stop := start()
	defer stop()

	var r client.Receipt
	_, err := c.Put(context.Background(), "k", []byte("v"), client.WithReceipt(&r))
	fmt.Println(err, r.Version > 0, r.Apply > 0)
	// Output: <nil> true true
}
