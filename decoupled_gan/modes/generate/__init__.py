"""--mode=generate: images from seeds (draw), with the discriminator's word (sample), or edited (edit)."""
