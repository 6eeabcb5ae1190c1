"""The running application: settings, wiring, engine, workers, clock, HTTP and command line. May import everything."""
