"""--mode=generate: images from seeds (draw), judged by D on the way (sample), or edited (edit)."""
