#!/usr/bin/env node
import "../dist/guard/main.js";
